"""The poller: connections, what is read there and when, as one YAML file says; readings go to sinks."""
