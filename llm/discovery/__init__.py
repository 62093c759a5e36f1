"""Discovery: groups of conversations about the same thing, found in a child process.

`grouper` is what the service imports. The modules with numpy are imported by `child` alone: they need 90 MB, which the
operating system gets back when the child ends.
"""
