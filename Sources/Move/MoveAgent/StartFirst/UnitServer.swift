import Glibc
import MovePlan
import Placeholders
import Records
import SystemCalls
import Synchronization
import Text
import Transfer

/// The source's side of files that are fetched when they are touched: what the destination may ask for, and nothing else.
///
/// A file is served as long as it is what it was when the placeholder was made, by inode, size and both times.
final class UnitServer: Sendable {
    private struct Entry {
        var path: [UInt8]
        var identity: FileIdentity
    }

    private let entries: [Entry]
    private let root: String
    private let progress: TransferProgress
    /// Bytes that the destination has said it misses; `nil` until it has.
    let missing = Mutex<UInt64?>(nil)

    /// Writes down what is to be served.
    static func write(_ placeholders: [(path: [UInt8], identity: FileIdentity)], to path: String)
        throws(MoveError)
    {
        try SafeFile.write(
            .array(
                placeholders.map { entry in
                    let identity = entry.identity
                    return .array([
                        .string(PlanText.text(entry.path)), .integer(Int128(identity.device)),
                        .integer(Int128(identity.inode)), .integer(Int128(identity.size)),
                        .integer(Int128(identity.modified)), .integer(Int128(identity.changed)),
                    ])
                }), to: path)
    }

    /// Reads what was written down; `nil` where nothing is.
    init?(_ path: String, root: String, progress: TransferProgress) {
        guard let list = SafeFile.read(path)?.array else { return nil }
        var entries: [Entry] = []
        for value in list {
            guard let parts = value.array, parts.count == 6,
                let path = parts[0].string.flatMap({ PlanText.bytes($0) }),
                let device = parts[1].integer.flatMap({ UInt64(exactly: $0) }),
                let inode = parts[2].integer.flatMap({ UInt64(exactly: $0) }),
                let size = parts[3].integer.flatMap({ UInt64(exactly: $0) }),
                let modified = parts[4].integer.flatMap({ Int64(exactly: $0) }),
                let changed = parts[5].integer.flatMap({ Int64(exactly: $0) })
            else { return nil }
            entries.append(
                Entry(
                    path: path,
                    identity: FileIdentity(
                        device: device, inode: inode, size: size, modified: modified, changed: changed)))
        }
        self.entries = entries
        self.root = root
        self.progress = progress
    }

    /// Answers until the connection ends.
    func serve(_ channel: any FrameChannel) throws(TransferError) {
        var pace = Pace()
        while true {
            let wanted = try UnitsWanted(try channel.receive())
            missing.withLock { $0 = wanted.missing }
            let answer = answer(wanted)
            pace.wait(for: answer.payload.count, at: progress.bytesPerSecond)
            progress.change { $0.sent += UInt64(answer.payload.count) }
            try channel.send(answer)
            try channel.flush()
        }
    }

    func answer(_ wanted: UnitsWanted) -> Frame {
        guard entries.indices.contains(Int(wanted.number)) else {
            return UnitSent.refusal("no such file is served")
        }
        let entry = entries[Int(wanted.number)]
        let name = Printable.text(entry.path)
        guard let file = FileSender.open(FileScan(root: root).prefix + entry.path),
            FileIdentity(descriptor: file.number) == entry.identity
        else { return UnitSent.refusal("\(name) is not what it was when the programs were stopped") }
        var units: [UnitSent] = []
        for unit in wanted.first..<wanted.first + wanted.count {
            let start = UInt64(unit) * UInt64(Placeholder.unit)
            guard start < entry.identity.size else { return UnitSent.refusal("\(name) has no such unit") }
            let length = Int(min(UInt64(Placeholder.unit), entry.identity.size - start))
            var bytes = [UInt8](repeating: 0, count: length)
            var count = 0
            while count < length {
                let part = bytes.withUnsafeMutableBytes {
                    pread(file.number, $0.baseAddress! + count, length - count, off_t(start) + off_t(count))
                }
                if part < 0 && errno == EINTR { continue }
                guard part > 0 else {
                    return UnitSent.refusal("\(name): \(SystemError.text(of: part == 0 ? EIO : errno))")
                }
                count += part
            }
            let position = unit - wanted.first
            if !wanted.hashes.isEmpty, bytes.withUnsafeBytes({ BlockHash($0) }) == wanted.hashes[position] {
                units.append(.same)
            } else if bytes.allSatisfy({ $0 == 0 }) {
                units.append(.zeros)
            } else {
                units.append(.bytes(bytes))
            }
        }
        guard FileIdentity(descriptor: file.number) == entry.identity else {
            return UnitSent.refusal("\(name) is being changed")
        }
        return UnitSent.frame(units)
    }
}
