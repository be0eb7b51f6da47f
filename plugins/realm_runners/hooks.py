"""What this plugin offers."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part

_C = "realm_runners.commands"
_R = "realm_runners.records"


@hookimpl
def realm_runners() -> list[Part]:
    """This machine, another one, a cluster."""
    return [
        Part("local", "realm_runners.local:open_local", "A process of this machine."),
        Part("ssh", "realm_runners.ssh:open_ssh", "A process of a host of configs/hosts.yaml: ssh:HOST."),
        Part("slurm", "realm_runners.slurm:open_slurm", "A job of a Slurm cluster: slurm, slurm:PARTITION."),
    ]


@hookimpl
def realm_commands() -> list[Part]:
    """The verbs of `realm job`."""
    return [
        Part("job run", f"{_C}:run_command", "Run a program here, on another machine or on a cluster."),
        Part("job list", f"{_C}:list_command", "List jobs and how they stand."),
        Part("job show", f"{_C}:show_command", "Show one job."),
        Part("job logs", f"{_C}:logs_command", "Show what a job says; -f follows it."),
        Part("job cancel", f"{_C}:cancel_command", "End a job with all that it started."),
    ]


@hookimpl
def realm_records() -> list[Part]:
    """What is kept of jobs."""
    return [
        Part("job", f"{_R}:JobRecord", "That the realm asked for a job, and where."),
        Part("job_order", f"{_R}:JobOrder", "What a job's supervisor is told."),
        Part("job_state", f"{_R}:JobState", "What a job's supervisor knows of it."),
        Part("job_slurm", f"{_R}:SlurmJob", "What Slurm calls a job."),
    ]
