import Glibc
import Placeholders
import Synchronization
import SystemCalls
import Transfer
import Transport

/// The content of placeholders, from the source's agent: it connects, and is asked over that connection.
final class RemoteUnits: BlockSource {
    private struct Connection {
        var channel: StreamChannel?
        /// Nothing is asked any more: one that comes then would wait for ever, and its other end with it.
        var isLeft = false
    }

    private let connection = Mutex(Connection())
    /// Held over a question and its answer.
    private let exchange = Mutex(0)
    /// The folder of files that were there before, by their numbers: what is equal in them is not sent.
    private let before: String

    init(before: String) { self.before = before }

    /// Uses a connection until it ends, or another one takes its place.
    func use(_ made: StreamChannel) {
        let last = connection.withLock { connection -> StreamChannel? in
            guard !connection.isLeft else { return made }
            defer { connection.channel = made }
            return connection.channel
        }
        last?.close()
        while connection.withLock({ $0.channel === made }) { usleep(100_000) }
    }

    /// Ends the connection that there is, and each that comes later.
    func leave() {
        connection.withLock { connection in
            connection.channel?.close()
            connection = Connection(channel: nil, isLeft: true)
        }
    }

    func fetch(
        _ placeholder: Placeholder, _ units: Range<Int>, missing: UInt64
    ) throws(TransferError) -> [[UInt8]?] {
        var found: [[UInt8]?] = []
        for first in stride(from: units.lowerBound, to: units.upperBound, by: UnitsWanted.most) {
            found += try ask(placeholder, first..<min(first + UnitsWanted.most, units.upperBound), missing)
        }
        return found
    }

    private func ask(
        _ placeholder: Placeholder, _ units: Range<Int>, _ missing: UInt64
    ) throws(TransferError) -> [[UInt8]?] {
        let old = try? FileDescriptor.open("\(before)/\(placeholder.number)", O_RDONLY)
        var had: [[UInt8]] = []
        if let old { had = units.map { Self.read($0, of: old.number, placeholder.size) } }
        let wanted = UnitsWanted(
            number: placeholder.number, first: units.lowerBound, count: units.count, missing: missing,
            hashes: had.map { bytes in bytes.withUnsafeBytes { BlockHash($0) } })
        let answer = try exchanged(wanted)
        guard answer.count == units.count else { throw .malformed("another number of units") }
        var found: [[UInt8]?] = []
        for (position, unit) in answer.enumerated() {
            switch unit {
            case .bytes(let bytes): found.append(bytes)
            case .zeros: found.append(nil)
            case .same:
                guard had.indices.contains(position) else { throw .malformed("equal to nothing") }
                found.append(had[position])
            }
        }
        return found
    }

    private func exchanged(_ wanted: UnitsWanted) throws(TransferError) -> [UnitSent] {
        guard let used = connection.withLock({ $0.channel }) else {
            throw .closed("the source has not connected")
        }
        let outcome = exchange.withLock { _ -> Result<[UnitSent], TransferError> in
            do throws(TransferError) {
                try used.send(wanted.frame)
                var packet = try used.receive(.units)
                return .success(try UnitSent.read(&packet))
            } catch { return .failure(error) }
        }
        switch outcome {
        case .success(let units): return units
        case .failure(let error):
            // A refusal is an answer; everything else leaves the connection out of step.
            if case .refused = error { throw error }
            connection.withLock { connection in
                if connection.channel === used { connection.channel = nil }
            }
            used.close()
            throw .closed("\(error)")
        }
    }

    /// A unit of a file from before, as far as it has it.
    private static func read(_ unit: Int, of file: Int32, _ size: UInt64) -> [UInt8] {
        let start = UInt64(unit) * UInt64(Placeholder.unit)
        var bytes = [UInt8](repeating: 0, count: Int(min(UInt64(Placeholder.unit), size - start)))
        let count = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, off_t(start)) }
        return Array(bytes.prefix(max(count, 0)))
    }
}
