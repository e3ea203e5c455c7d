rule source:
    input:
        BENCH.source_files,
    output:
        "results/.sources/{sequence}.json",
    resources:
        ctc=BENCH.settings.ctc,  # no param: other conditions share the result
        slots=1,
    params:
        key=BENCH.source_key,
    shell:
        "exec invrbench source {wildcards.sequence:q} --ctc {resources.ctc:q}"
