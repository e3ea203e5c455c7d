rule source:
    input:
        BENCH.source_files,
    output:
        "results/.sources/{sequence}.json",
    resources:
        slots=1,
    params:
        key=BENCH.source_key,
        ctc=BENCH.settings.ctc,
    shell:
        "exec invrbench source {wildcards.sequence:q} --ctc {params.ctc:q}"
