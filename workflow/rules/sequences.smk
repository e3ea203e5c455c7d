rule source:
    input:
        BENCH.source_files,
    output:
        "results/.sources/{sequence}.json",
    params:
        key=BENCH.source_key,
        ctc=BENCH.settings.ctc,
    resources:
        slots=1,
    shell:
        "exec invrbench source {wildcards.sequence:q} --ctc {params.ctc:q}"
