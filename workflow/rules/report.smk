rule report:
    input:
        BENCH.measured,
    output:
        BENCH.report,
    params:
        key=BENCH.report_key,
        settings=BENCH.settings.arguments(),
    resources:
        slots=1,
    shell:
        "exec invrbench report {params.settings:q}"
