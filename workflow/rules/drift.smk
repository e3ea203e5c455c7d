rule drift:
    input:
        lambda w: BENCH.drift_inputs(w),
    output:
        f"{POINT}/drift/{{setting}}.json",
    threads: lambda w: BENCH.drift_threads(w)
    resources:
        ctc=BENCH.settings.ctc,  # no param: other conditions share the result
        slots=lambda w: BENCH.drift_resource("slots", w),
        gpu=lambda w: BENCH.drift_resource("gpu", w),
        mem_mb=lambda w: BENCH.drift_resource("mem_mb", w),
        runtime=lambda w: BENCH.drift_resource("runtime", w),
    params:
        key=lambda w: BENCH.drift(w).key,
        folder=POINT,
    shell:
        "exec invrbench drift-point {params.folder:q} {wildcards.setting:q} --ctc {resources.ctc:q}"
        " --gpus {resources.gpu}"
