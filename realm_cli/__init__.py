"""Realm: keep training one small language model on the GPU boxes you own."""

__version__ = "0.1.0"
