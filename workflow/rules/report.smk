rule report:
    input:
        BENCH.measured,
        BENCH.drifted,
    output:
        BENCH.report,
    resources:
        slots=1,
    params:
        key=BENCH.report_key,
        settings=BENCH.settings.arguments(),
    shell:
        "exec invrbench report {params.settings:q}"
