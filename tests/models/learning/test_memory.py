"""One heap: many threads that allocate share it once the service has asked for that."""

import ctypes
import subprocess
import sys

import pytest

BUSY = """
import ctypes, sys, threading
from models.learning.memory import keep_one_heap
libc = ctypes.CDLL(None)
if sys.argv[1] == "one":
    assert keep_one_heap()
libc.malloc.restype = ctypes.c_void_p
begin = threading.Barrier(8)
def allocate():
    begin.wait()
    for _ in range(1000):
        libc.malloc(20_000)
    begin.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
[each.start() for each in threads], [each.join() for each in threads]
libc.fopen.restype = ctypes.c_void_p
told = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w"))
libc.malloc_info(0, told), libc.fclose(told)
"""


def heaps(mode, path):
    subprocess.run([sys.executable, "-c", BUSY, mode, str(path)], check=True)
    return path.read_text().count("<heap nr=")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="needs glibc")
def test_threads_share_one_heap_and_have_several_otherwise(tmp_path):
    assert heaps("one", tmp_path / "one.xml") == 1
    assert heaps("many", tmp_path / "many.xml") > 1
