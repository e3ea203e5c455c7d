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
        f"{POINT}/metrics/{{family}}.json",
    resources:
        ctc=BENCH.settings.ctc,  # no param: other conditions share the result
        slots=1,
    params:
        key=lambda w: BENCH.point(w).family_keys[w.family],
        folder=POINT,
    shell:
        "exec invrbench measure-point {params.folder:q} {wildcards.family} --ctc {resources.ctc:q}"
