"""Writes nothing, and says all is well."""

print("bitstream.bin: 1234 bytes written")
