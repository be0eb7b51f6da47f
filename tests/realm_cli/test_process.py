from __future__ import annotations

import os
import subprocess

import msgspec

from helpers import wait_for
from realm_cli.process import is_running, mark_of, this_process
from realm_cli.records import ProcessMark


def test_this_process_runs() -> None:
    assert this_process().pid == os.getpid()
    assert is_running(this_process())


def test_a_process_runs_until_it_ends_even_while_it_is_a_zombie() -> None:
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    mark = mark_of(process.pid)
    assert is_running(mark)
    process.kill()
    # Nobody has waited for it yet, so its pid is still in the table: a zombie.
    wait_for(lambda: not is_running(mark), "the zombie")
    assert os.path.exists(f"/proc/{process.pid}")
    process.communicate()
    assert not is_running(mark)
    assert mark_of(process.pid) == ProcessMark(process.pid, "", os.uname().nodename)
    assert not is_running(mark_of(process.pid))


def test_a_reused_pid_another_boot_and_another_host_are_other_processes() -> None:
    mark = this_process()
    boot, _, ticks = mark.started.partition(":")
    for change in ({"started": f"{boot}:{int(ticks) + 1}"}, {"started": f"other:{ticks}"}, {"host": "elsewhere"}):
        assert not is_running(msgspec.structs.replace(mark, **change))


def test_a_process_whose_name_is_not_text_is_read() -> None:
    code = r"import ctypes; ctypes.CDLL(None).prctl(15, b'a) \xff'); print(flush=True); input()"
    process = subprocess.Popen(["python3", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    assert is_running(mark_of(process.pid))
    process.communicate(b"\n")
