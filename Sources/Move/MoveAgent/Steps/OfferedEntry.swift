import Glibc
import MovePlan
import Records
import SystemCalls
import Transfer

/// An entry of the source that is compared with what the destination has, before anything is brought.
struct OfferedEntry {
    /// With the owners that it has at the destination.
    var entry: FileEntry
    /// Of a file's content; `nil` where it was not read yet.
    var hash: BlockHash?

    /// What a comparison comes to.
    enum Comparison {
        case equal, differs
        /// Depends on the content.
        case unknown
    }

    init(_ entry: FileEntry, hash: BlockHash?) { (self.entry, self.hash) = (entry, hash) }

    /// Folders are left as they are where they are; of anything else everything but the times has to be equal.
    func compare(with here: FileEntry) -> Comparison {
        if entry.kind == .folder || here.kind == .folder {
            return entry.kind == here.kind ? .equal : .differs
        }
        // Another name of a file is what that is.
        let kind = entry.kind == .hardLink ? FileEntry.Kind.file : entry.kind
        guard here.kind == kind || here.kind == .hardLink && kind == .file, here.mode == entry.mode,
            (here.user, here.group) == (entry.user, entry.group), here.device == entry.device
        else { return .differs }
        if kind == .link { return here.target == entry.target ? .equal : .differs }
        guard kind == .file else { return .equal }
        guard entry.kind != .hardLink else { return .equal }
        guard here.kind == .hardLink || here.size == entry.size else { return .differs }
        guard let hash else { return .unknown }
        return Self.hash(of: here.path, root: []) == hash ? .equal : .differs
    }

    /// Of a file's whole content; `nil` where it cannot be read.
    static func hash(of path: [UInt8], root: [UInt8]) -> BlockHash? {
        guard let file = FileSender.open(root + path) else { return nil }
        return (try? BlockTable(of: file.number, path))?.root
    }

    // MARK: As JSON

    var value: JSONValue {
        .array(
            [
                .string(PlanText.text(entry.path)), .integer(Int128(entry.kind.rawValue)),
                .integer(Int128(entry.mode)), .integer(Int128(entry.user)), .integer(Int128(entry.group)),
                .integer(Int128(entry.size)), .integer(Int128(entry.device)),
                .string(PlanText.text(entry.target)),
            ] + (hash.map { [.integer(Int128($0.high)), .integer(Int128($0.low))] } ?? []))
    }

    init?(_ value: JSONValue, _ owners: OwnerMap) {
        func number<Number: FixedWidthInteger>(_ value: JSONValue) -> Number? {
            value.integer.flatMap { Number(exactly: $0) }
        }
        guard let parts = value.array, parts.count == 8 || parts.count == 10,
            let path = parts[0].string.flatMap({ PlanText.bytes($0) }), FileEntry.isSound(path),
            let kind = number(parts[1]).flatMap(FileEntry.Kind.init), let mode: UInt32 = number(parts[2]),
            let user: UInt32 = number(parts[3]), let group: UInt32 = number(parts[4]),
            let size: UInt64 = number(parts[5]), let device: UInt64 = number(parts[6]),
            let target = parts[7].string.flatMap({ PlanText.bytes($0) })
        else { return nil }
        entry = FileEntry(path, kind)
        (entry.mode, entry.size, entry.device, entry.target) = (mode, size, device, target)
        (entry.user, entry.group) = owners.map(user: user, group: group)
        if parts.count == 10 {
            guard let high: UInt64 = number(parts[8]), let low: UInt64 = number(parts[9]) else { return nil }
            hash = BlockHash(high: high, low: low)
        }
    }
}
