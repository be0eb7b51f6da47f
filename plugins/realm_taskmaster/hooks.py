"""What the task master offers."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part


@hookimpl
def realm_commands() -> list[Part]:
    """The verbs of `realm task`."""
    look, do = "realm_taskmaster.look_commands", "realm_taskmaster.commands"
    return [
        Part("task list", f"{look}:list_command", "List the tasks, and why each does not run now."),
        Part("task available", f"{look}:available_command", "List the tasks that may run now."),
        Part("task status", f"{look}:status_command", "Task master, GPUs, queue and the last runs."),
        Part("task log", f"{look}:log_command", "What a run said."),
        Part("task run", f"{do}:run_command", "Run a task now, whatever the GPU does."),
        Part("task once", f"{do}:once_command", "Run the task whose turn it is."),
        Part("task cancel", f"{do}:cancel_command", "End a run, or take it off the queue."),
        Part("task exec", f"{do}:exec_command"),  # what the job of a task runs
        Part("task daemon", "realm_taskmaster.daemon_command:daemon_command", "Be the task master until Ctrl-C."),
    ]


@hookimpl
def realm_records() -> list[Part]:
    """The task master's files."""
    module = "realm_cli.task_records"
    return [
        Part("task_run", f"{module}:TaskRun", "One run of a task."),
        Part("task_master", f"{module}:TaskMasterRecord", "How the task master saw things last."),
    ]


@hookimpl
def realm_services() -> list[Part]:
    """The task master and its API."""
    return [
        Part("taskmaster", "realm_taskmaster.service:TASKMASTER", "Background tasks and the GPU Task Scheduler API.")
    ]


@hookimpl
def realm_pages() -> list[Part]:
    """Tasks, services and findings in the Tavern."""
    return [Part("tasks", "realm_taskmaster.page:PAGE", "Background tasks, GPUs, services, health.")]


@hookimpl
def realm_tasks() -> list[Part]:
    """What belongs to no other plugin."""
    return [Part("validate_queue", "realm_taskmaster.validating:VALIDATE_QUEUE", "Inspect every queued quest again.")]
