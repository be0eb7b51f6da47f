"""The contenders of the benchmarks, each a process of its own that waits on its stdin while another one is measured."""
