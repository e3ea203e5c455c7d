from pathlib import Path

from snakemake.utils import min_version

from invrbench.dag import open_dag

min_version("9.10")

# Ctrl-C reaches jobs through the run, which tells them to end; until they listen they ignore it
shell.prefix("trap '' INT; ")

BENCH = open_dag(Path(workflow.basedir), config, workflow.global_resources)
workflow.global_resources["slots"] = BENCH.slots
workflow.global_resources["gpu"] = BENCH.gpus


wildcard_constraints:
    sequence=r"[^/]+",
    codec=r"[^/]+",
    configuration=r"[^/]+",
    rate_point=r"[^/]+",
    fit=r"[^/]+",
    seed=r"\d+",
    setting=r"[^/]+",


rule all:
    input:
        BENCH.report,


rule measured:
    input:
        BENCH.measured,


include: "workflow/rules/sequences.smk"
include: "workflow/rules/codecs.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/drift.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/timing.smk"


onstart:
    # each of the rate limiter's looks starts another one a second later, for the rest of the run
    workflow.scheduler.job_rate_limiter = None
    BENCH.start(elsewhere=workflow.non_local_exec, jobs=workflow.dag.needrun_jobs())


onsuccess:
    BENCH.finish(complete=True)


onerror:
    BENCH.finish(complete=False)
