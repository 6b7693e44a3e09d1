"""Codes of an application error (EN 13757-3): first code, last code, text. They cover 00 to FF without overlap."""

from __future__ import annotations

APPLICATION_ERROR_ROWS = (
    (0x00, 0x00, "unspecified error"),
    (0x01, 0x01, "CI field not implemented"),
    (0x02, 0x02, "buffer too long, truncated"),
    (0x03, 0x03, "too many records"),
    (0x04, 0x04, "premature end of record"),
    (0x05, 0x05, "more than 10 DIFEs"),
    (0x06, 0x06, "more than 10 VIFEs"),
    (0x07, 0x07, "reserved"),
    (0x08, 0x08, "application too busy"),
    (0x09, 0x09, "too many readouts"),
    (0x0A, 0x10, "reserved"),
    (0x11, 0x11, "function not implemented"),
    (0x12, 0x12, "data not available"),
    (0x13, 0x13, "routing error"),
    (0x14, 0x14, "access violation"),
    (0x15, 0x15, "parameter error"),
    (0x16, 0x16, "size error"),
    (0x17, 0x1F, "reserved"),
    (0x20, 0x20, "security error"),
    (0x21, 0x21, "security mechanism not supported"),
    (0x22, 0x22, "inadequate security method"),
    (0x23, 0xEF, "reserved"),
    (0xF0, 0xF0, "dynamic error, told by the record that follows"),
    (0xF1, 0xFF, "manufacturer specific error"),
)
