import Observation
import SocketDiagnostics

/// Which of the kernel's socket tables cannot be asked for, and when they are asked again.
///
/// Without its module a table is not there, scans find none of its sockets, and no notice comes of those that end, which
/// nothing else reports it. The module may be loaded at any time.
struct SocketTableState {
    /// Those that are missing, and since when, nanoseconds since 1970.
    private(set) var missing: [(table: UnavailableSocketTable, since: UInt64)] = []
    private var backOff = BackOff()
    private(set) var isChecking = false

    /// When they are to be asked again, `CLOCK_MONOTONIC`, nanoseconds; `nil` if none is missing or one is being asked.
    var retryTime: UInt64? { missing.isEmpty || isChecking ? nil : backOff.retry }

    mutating func checkBegins() { isChecking = true }

    /// Takes in which were found to be missing at a moment, by both clocks; returns whether these are others than before.
    mutating func take(_ found: [UnavailableSocketTable], now: UInt64, wall: UInt64) -> Bool {
        isChecking = false
        let before = missing
        missing = found.map { table in
            (table, before.first { $0.table == table }?.since ?? wall)
        }
        if found.isEmpty { backOff = BackOff() } else { backOff.failed(at: now) }
        return !before.elementsEqual(missing) { $0.table == $1.table }
    }

    /// What they hide: the gap of each ends with a scan when it can be asked.
    var blindSpots: [BlindSpot] {
        missing.map { table, since in
            BlindSpot(
                source: SourceName.sockets, cause: table.cause, since: since, isScannedAfter: true)
        }
    }

    /// What the header of a dump says of them; empty if none is missing.
    var mode: String {
        missing.isEmpty ? "" : ", without " + missing.map(\.table.table.module).joined(separator: ", ")
    }
}

extension UnavailableSocketTable {
    /// The cause of a gap: what is missing and why, without what to do.
    fileprivate var cause: String {
        isModuleMissing
            ? "\(table.consequence): no module \(table.module)" : "\(table.consequence): \(error)"
    }
}
