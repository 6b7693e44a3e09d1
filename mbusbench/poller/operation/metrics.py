"""Metrics of the service itself, for Prometheus: connections, meters, sinks, workers. Readings are the sinks' business.

Made of one `PollerStatus` at each scrape, which costs no traffic on any bus.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mbusbench import __version__
from mbusbench.poller.redundancy import Channel
from mbusbench.poller.status import PollerStatus, StatusOf
from mbusbench.sinks.sink import ConnectionState, ConnectionStatus

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import CollectorRegistry

_COUNTERS = {
    "cycles": "Rounds over all meters of a connection that were begun",
    "missed_cycles": "Rounds that were due while another one was under way",
    "writes": "Values that were written to meters",
    "changeovers": "Changes from one channel to the other",
}


class ServiceCollector:
    """For a CollectorRegistry; `status_of` says how the poller is."""

    def __init__(self, status_of: StatusOf) -> None:
        self._status_of = status_of

    def collect(self) -> Iterator[Metric]:
        """All families. A family that has no samples now is there too, so that its name is known from the start."""
        status = self._status_of()
        yield from _process(status)
        yield from _connections(status.connections)
        yield from _meters(status.connections)
        yield from _sinks(status)
        if status.worker is not None:
            worker = status.worker
            yield _gauge("mbus_workers", "Workers that are alive, as this one sees it", [((), worker.workers)])
            yield _gauge("mbus_worker_leases", "Connections that this worker holds", [((), len(worker.held))])
            yield _counter("mbus_worker_lease_changes", "Leases claimed or given up", [((), worker.changes)])


def registry_of(status_of: StatusOf, collectors: Iterable[Any] = ()) -> CollectorRegistry:
    """What `/metrics` shows: the service, the process, and what sinks collect."""
    from prometheus_client.process_collector import ProcessCollector
    from prometheus_client.registry import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServiceCollector(status_of))
    ProcessCollector(registry=registry)
    for collector in collectors:
        registry.register(collector)
    return registry


_Samples = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, text: str, samples: _Samples, labels: tuple[str, ...] = ()) -> Metric:
    from prometheus_client.metrics_core import GaugeMetricFamily

    return _filled(GaugeMetricFamily(name, text, labels=labels), samples)


def _counter(name: str, text: str, samples: _Samples, labels: tuple[str, ...] = ()) -> Metric:
    from prometheus_client.metrics_core import CounterMetricFamily

    return _filled(CounterMetricFamily(name, text, labels=labels), samples)


def _filled(family: Any, samples: _Samples) -> Metric:
    for values, value in samples:
        family.add_metric(list(values), value)
    found: Metric = family
    return found


def _process(status: PollerStatus) -> Iterator[Metric]:
    info = [((__version__, status.name), 1.0)]
    yield _gauge("mbus_poller_info", "The poller and its configuration", info, ("version", "configuration"))
    yield _gauge("mbus_poller_start_time_seconds", "When it was started", [((), status.started.timestamp())])
    yield _gauge("mbus_poller_ready", "Whether it does its work", [((), status.ready)])
    yield _gauge("mbus_poller_connections", "Connections in the configuration", [((), status.total)])
    yield _gauge(
        "mbus_poller_stalled", "Connections that do not get on although they have to", [((), len(status.stalled))]
    )
    yield _gauge("mbus_poller_pending_readings", "Readings that are not in the store yet", [((), status.pending)])
    yield _counter("mbus_poller_readings", "Readings that were put into the store", [((), status.kept)])
    reloads = [(("good",), float(status.reloads)), (("bad",), float(status.failed_reloads))]
    yield _counter("mbus_poller_reloads", "Changes of the configuration", reloads, ("result",))


def _connections(connections: tuple[ConnectionStatus, ...]) -> Iterator[Metric]:
    one = ("connection",)

    def each(value_of: Any) -> _Samples:
        found = ((status, value_of(status)) for status in connections)
        return [((status.name,), float(value)) for status, value in found if value is not None]

    yield _gauge("mbus_connection_running", "1 in RUN, 0 in STOP", each(lambda s: s.state is ConnectionState.RUN), one)
    yield _gauge(
        "mbus_connection_channel",
        "1 for the channel in use",
        [
            ((status.name, str(channel)), float(status.actual == channel))
            for status in connections
            for channel in Channel
        ],
        ("connection", "channel"),
    )
    yield _gauge("mbus_connection_cycle_seconds", "How long the last round took", each(lambda s: s.cycle_seconds), one)
    yield _gauge(
        "mbus_connection_last_error_timestamp_seconds",
        "When an error was seen last",
        each(lambda s: None if s.error_time is None else s.error_time.timestamp()),
        one,
    )
    for name, text in _COUNTERS.items():
        yield _counter(f"mbus_connection_{name}", text, each(lambda s, name=name: s.counters.get(name, 0)), one)
    yield _counter(
        "mbus_connection_reads",
        "Readouts of meters, by how they ended",
        [
            ((status.name, result), status.counters.get(key, 0))
            for status in connections
            for result, key in (("good", "reads"), ("bad", "read_errors"))
        ],
        ("connection", "result"),
    )
    yield _counter(
        "mbus_connection_errors",
        "Errors by kind, those before a retry included",
        [
            ((status.name, key.removeprefix("errors_")), count)
            for status in connections
            for key, count in status.counters.items()
            if key.startswith("errors_")
        ],
        ("connection", "kind"),
    )


def _meters(connections: tuple[ConnectionStatus, ...]) -> Iterator[Metric]:
    labels = ("connection", "meter")
    meters = [((status.name, meter.meter), meter) for status in connections for meter in status.meters]
    yield _gauge(
        "mbus_meter_up",
        "Whether the last readout of a meter was good",
        [(at, float(meter.available)) for at, meter in meters],
        labels,
    )
    yield _gauge(
        "mbus_meter_last_read_timestamp_seconds",
        "When a meter was last read well",
        [(at, meter.last_read.timestamp()) for at, meter in meters if meter.last_read is not None],
        labels,
    )


def _sinks(status: PollerStatus) -> Iterator[Metric]:
    one = ("sink",)

    def each(value_of: Any) -> _Samples:
        return [((sink.name,), float(value_of(sink))) for sink in status.sinks]

    yield _gauge("mbus_sink_up", "Whether a sink takes readings", each(lambda s: s.state == "up"), one)
    yield _gauge("mbus_sink_waiting_readings", "Readings in the store for a sink", each(lambda s: s.waiting), one)
    yield _counter("mbus_sink_delivered_readings", "Readings that a sink has taken", each(lambda s: s.delivered), one)
    yield _counter("mbus_sink_dropped_readings", "Readings dropped for want of room", each(lambda s: s.dropped), one)
    yield _counter("mbus_sink_refused_readings", "Readings that a sink refused", each(lambda s: s.refused), one)
    yield _counter("mbus_sink_failures", "Failures of a sink since the start", each(lambda s: s.failures), one)
