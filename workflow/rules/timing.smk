rule time:
    input:
        f"{POINT}/bitstream.bin",
        f"{POINT}/encode.json",
        f"{POINT}/decode.json",
    output:
        f"{POINT}/timing.json",
    log:
        f"{POINT}/timing.log",
    priority: -1  # what measuring still needs comes first
    threads: lambda w: BENCH.threads("decode", w)
    resources:
        ctc=BENCH.settings.ctc,  # no param: other conditions share the result
        slots=BENCH.slots,  # alone on the machine
        gpu=lambda w: BENCH.resource("decode", "gpu", w),
        mem_mb=lambda w: BENCH.resource("decode", "mem_mb", w),
        runtime=lambda w: BENCH.time_min(w),
    params:
        key=lambda w: BENCH.timing_key(w),
        folder=POINT,
    shell:
        "exec invrbench time {params.folder:q} --ctc {resources.ctc:q} --gpus {resources.gpu}"


rule timing:
    input:
        BENCH.measured,
        BENCH.timed,
    params:
        settings=BENCH.settings.arguments(),
    shell:
        "exec invrbench report {params.settings:q}"
