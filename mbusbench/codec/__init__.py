"""Bytes to objects and back: pure, without I/O, clock or asyncio."""
