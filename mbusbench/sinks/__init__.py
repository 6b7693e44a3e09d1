"""Where readings go: a bounded store on disk, the delivery out of it, and the sinks themselves.

Nothing here reads a meter. The libraries that a sink needs are imported when it is opened.
"""
