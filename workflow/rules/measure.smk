rule weights:
    output:
        "results/.weights/lpips.json",
    resources:
        slots=1,
    shell:
        "exec invrbench weights lpips --record"


rule measure:
    input:
        f"{POINT}/decode.json",
        weights=lambda w: [ancient(path) for path in BENCH.weights(w)],
    output:
        f"{POINT}/metrics/{{family}}.json",
    resources:
        slots=1,
    params:
        key=lambda w: BENCH.point(w).family_keys[w.family],
        ctc=BENCH.settings.ctc,
        folder=POINT,
    shell:
        "exec invrbench measure-point {params.folder:q} {wildcards.family} --ctc {params.ctc:q}"
