localrules:
    weights,  # it fetches them, and nodes of a cluster reach no network


rule weights:
    output:
        "results/.weights/lpips.json",
    resources:
        slots=1,
    shell:
        "exec invrbench weights lpips --record"


rule measure:
    input:
        lambda w: BENCH.measure_inputs(w),
        weights=lambda w: [ancient(path) for path in BENCH.weights(w)],
    output:
        f"{POINT}/frames.tsv",
    resources:
        ctc=BENCH.settings.ctc,  # no param: other conditions share the result
        slots=1,
        gpu=lambda w: BENCH.measure_resource("gpu", w),
        mem_mb=lambda w, attempt: BENCH.measure_resource("mem_mb", w, attempt),
        runtime=lambda w: BENCH.measure_resource("runtime", w),
        attempt=lambda w, attempt: attempt,
    params:
        folder=POINT,  # no key: other conditions share the table, which is dated by its records
    shell:
        "exec invrbench measure-point {params.folder:q} --ctc {resources.ctc:q}"
        " --gpus {resources.gpu} --attempt {resources.attempt}"
