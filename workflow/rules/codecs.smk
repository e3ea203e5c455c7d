POINT = "results/{sequence}/{codec}/{configuration}/{rate_point}/s{seed}"
FIT = "results/{sequence}/{codec}/{configuration}/fits/{fit}/s{seed}"


rule fit:
    input:
        "results/.sources/{sequence}.json",
    output:
        f"{FIT}/fit.json",
    log:
        f"{FIT}/fit.log",
    priority: 1  # they take longest; what needs them can start early
    threads: lambda w: BENCH.threads("fit", w)
    resources:
        ctc=BENCH.settings.ctc,  # no param: other conditions share the result
        slots=lambda w: BENCH.resource("fit", "slots", w),
        gpu=lambda w: BENCH.resource("fit", "gpu", w),
        mem_mb=lambda w, attempt: BENCH.resource("fit", "mem_mb", w, attempt),
        runtime=lambda w: BENCH.resource("fit", "runtime", w),
        attempt=lambda w, attempt: attempt,
    params:
        key=lambda w: BENCH.fit(w).key,
        folder=FIT,
    shell:
        "exec invrbench fit {params.folder:q} --ctc {resources.ctc:q}"
        " --gpus {resources.gpu} --attempt {resources.attempt}"


rule encode:
    input:
        unpack(BENCH.encode_inputs),
    output:
        f"{POINT}/bitstream.bin",
        f"{POINT}/encode.json",
    log:
        f"{POINT}/encode.log",
    threads: lambda w: BENCH.threads("encode", w)
    resources:
        ctc=BENCH.settings.ctc,  # no param: other conditions share the result
        slots=lambda w: BENCH.resource("encode", "slots", w),
        gpu=lambda w: BENCH.resource("encode", "gpu", w),
        mem_mb=lambda w, attempt: BENCH.resource("encode", "mem_mb", w, attempt),
        runtime=lambda w: BENCH.resource("encode", "runtime", w),
        attempt=lambda w, attempt: attempt,
    params:
        key=lambda w: BENCH.point(w).encode_key,
        folder=POINT,
    shell:
        "exec invrbench encode {params.folder:q} --ctc {resources.ctc:q}"
        " --gpus {resources.gpu} --attempt {resources.attempt}"


rule decode:
    input:
        f"{POINT}/bitstream.bin",
        f"{POINT}/encode.json",
    output:
        f"{POINT}/decoded.md5",
        f"{POINT}/decode.json",
    log:
        f"{POINT}/decode.log",
    threads: lambda w: BENCH.threads("decode", w)
    resources:
        ctc=BENCH.settings.ctc,  # no param: other conditions share the result
        slots=lambda w: BENCH.resource("decode", "slots", w),
        gpu=lambda w: BENCH.resource("decode", "gpu", w),
        mem_mb=lambda w, attempt: BENCH.resource("decode", "mem_mb", w, attempt),
        runtime=lambda w: BENCH.resource("decode", "runtime", w),
        attempt=lambda w, attempt: attempt,
    params:
        key=lambda w: BENCH.point(w).decode_key,
        folder=POINT,
    shell:
        "exec invrbench decode {params.folder:q} --ctc {resources.ctc:q}"
        " --gpus {resources.gpu} --attempt {resources.attempt}"
