import CLinux
import Glibc
import SystemCalls

/// The source's side of a transfer: offers files, and sends the blocks that the other side has not.
///
/// Each round offers what may have been changed since the one before. What was sent is remembered block by block, so that a
/// later round sends only blocks that were changed; where the destination has a file of which nothing is remembered here, it
/// says the hashes of its blocks.
public final class FileSender {
    /// What came of a round.
    public struct Round: Equatable, Sendable {
        /// Entries that were offered.
        public var offered = 0
        /// Bytes of content that were sent.
        public var sent: UInt64 = 0
        /// Files that were being changed while they were read: the next round offers them again.
        public var unsettled = 0
        /// Files that went away meanwhile.
        public var gone = 0
    }

    private struct Memory {
        /// As it was looked at; its identity is of a later moment where content was read.
        var found: FileScan.Found
        var table: BlockTable?
        /// Whether it may have been changed without a sign: right before it was looked at, by the clock of its filesystem.
        var isUncertain: Bool
    }

    /// What a round does with files that are fetched when they are first touched.
    public enum Deferral: Sendable {
        /// There are none: everything is sent.
        case none
        /// They are not sent yet.
        case later
        /// The other side makes placeholders of them.
        case placeholders
    }

    private let channel: any FrameChannel
    private let root: String
    /// Files of which the other side has made placeholders, by their numbers, as they were then.
    public private(set) var placeholders: [(path: [UInt8], identity: FileIdentity)] = []
    /// How far it is.
    public let progress: TransferProgress
    private var memory: [[UInt8]: Memory] = [:]
    private var pace = Pace()

    /// Entries of a batch, and bytes of its files.
    private static let mostEntries = 512
    private static let mostBytes: UInt64 = 256 << 20

    /// - Parameters:
    ///   - channel: the connection to the other side.
    ///   - root: where the source's files lie on this machine.
    public init(over channel: any FrameChannel, root: String, progress: TransferProgress) {
        self.channel = channel
        self.root = root
        self.progress = progress
    }

    /// Sends a round.
    ///
    /// - Parameters:
    ///   - paths: everything that has to be at the destination, each behind the folders above it.
    ///   - mapped: files that a program may change by memory it shares with them: their times say nothing.
    ///   - isMirror: whether the destination keeps nothing else in its root.
    ///   - isPart: whether other paths, of rounds before this one, stay as they are.
    ///   - syncsLater: whether the destination answers before what it has written is on its device.
    ///   - deferral: what is done with files that `isDeferred` names.
    public func send(
        _ paths: [[UInt8]], mapped: Set<[UInt8]> = [], isMirror: Bool, isPart: Bool = false,
        syncsLater: Bool = false,
        deferral: Deferral = .none, isDeferred: (FileEntry) -> Bool = { _ in false }
    ) throws(TransferError) -> Round {
        var round = Round()
        placeholders = []
        var scan = FileScan(root: root)
        var batch: [Offer] = []
        var bytes: UInt64 = 0
        let isFirst = memory.isEmpty
        var seen: Set<[UInt8]> = []
        seen.reserveCapacity(paths.count)
        progress.change { $0.expected = 0 }
        for path in paths {
            let known = memory[path]
            guard FileEntry.isSound(path), let found = scan.look(at: path, knowing: known?.found) else {
                continue
            }
            seen.insert(path)
            progress.change { $0.entries += 1 }
            let offer = Offer(
                found: found,
                deferral: found.entry.kind == .file && isDeferred(found.entry) ? deferral : .none)
            if offer.deferral != .placeholders, let known, known.found.identity == found.identity,
                known.found.entry == found.entry, !known.isUncertain,
                !mapped.contains(path) || offer.deferral == .later
            {
                // It is seen again, and by now settled, so that the next round need not read its attributes.
                if found.looked > known.found.looked { memory[path]?.found.looked = found.looked }
                continue
            }
            batch.append(offer)
            bytes += found.entry.kind == .file && offer.deferral == .none ? found.entry.size : 0
            if batch.count == Self.mostEntries || bytes >= Self.mostBytes {
                try send(batch, &round)
                (batch, bytes) = ([], 0)
            }
        }
        try send(batch, &round)
        if !isFirst && !isPart {
            let gone = memory.keys.filter { !seen.contains($0) }.sorted { $1.lexicographicallyPrecedes($0) }
            for path in gone { memory[path] = nil }
            for start in stride(from: 0, to: gone.count, by: 4096) {
                var packet = PacketWriter()
                let part = gone[start..<min(start + 4096, gone.count)]
                packet.integer(UInt32(part.count))
                for path in part { packet.string(path) }
                try channel.send(Frame(.remove, packet.bytes))
            }
        }
        var end = PacketWriter()
        end.integer(UInt8(isMirror && isFirst ? 1 : 0) | (syncsLater ? 2 : 0))
        try channel.send(Frame(.roundEnd, end.bytes))
        _ = try channel.receive(.roundDone)
        return round
    }

    // MARK: A batch

    /// An entry that is offered.
    private struct Offer {
        var found: FileScan.Found
        var deferral: Deferral
    }

    private func send(_ batch: [Offer], _ round: inout Round) throws(TransferError) {
        guard !batch.isEmpty else { return }
        var offer = PacketWriter()
        offer.integer(UInt32(batch.count))
        for entry in batch {
            let found = entry.found
            found.entry.append(to: &offer)
            switch entry.deferral {
            case .none: break
            case .later:
                offer.integer(UInt8(2))
                continue
            case .placeholders:
                offer.integer(UInt8(3))
                offer.integer(UInt32(placeholders.count))
                placeholders.append((found.entry.path, found.identity))
                continue
            }
            // What the other side has, if it is as it was left.
            let table = found.entry.kind == .file ? memory[found.entry.path]?.table : nil
            offer.integer(UInt8(table == nil ? 0 : 1))
            if let table { offer.hash(table.root) }
        }
        try channel.send(Frame(.entries, offer.bytes))
        var needs = try channel.receive(.needs)
        for (index, entry) in batch.enumerated() {
            let found = entry.found
            let need = try FileNeed(from: &needs)
            guard found.entry.kind == .file, entry.deferral == .none else {
                memory[found.entry.path] = Memory(found: found, table: nil, isUncertain: false)
                continue
            }
            try progress.waitForTurn()
            let table: BlockTable
            switch need {
            case .whole: table = BlockTable()
            case .asRemembered: table = memory[found.entry.path]?.table ?? BlockTable()
            case .patch(let theirs): table = theirs
            }
            try sendContent(of: found, index, over: table, &round)
        }
        round.offered += batch.count
        try channel.send(Frame(.batchEnd, []))
        _ = try channel.receive(.batchDone)
    }

    private func sendContent(
        of found: FileScan.Found, _ index: Int, over theirs: BlockTable, _ round: inout Round
    ) throws(TransferError) {
        let path = found.entry.path
        memory[path] = nil
        let start = Clock.wall()
        guard let file = Self.open(FileScan(root: root).prefix + path),
            let before = FileIdentity(descriptor: file.number),
            (before.device, before.inode) == (found.identity.device, found.identity.inode)
        else {
            round.gone += 1
            return try endFile(index, nil, found.entry)
        }
        let size = before.size
        var table = BlockTable(size: size, hashes: [])
        table.hashes.reserveCapacity(BlockTable.blocks(size))
        let block = BlockTable.blockSize(size)
        // Blocks of another size are other blocks.
        let known = BlockTable.blockSize(theirs.size) == block ? theirs : BlockTable()
        var sent: UInt64 = 0
        var isShort = false
        try BlockReader.read(file.number, size: size) { piece throws(TransferError) in
            if let failure = piece.failure { throw .file(path, failure) }
            if isShort { return }
            table.hashes += piece.hashes
            sent += try send(piece, of: index, size, over: known)
            let wanted = min(BlockReader.pieceSize, Int(size) - piece.first * block)
            if !piece.isHole && piece.bytes.count < wanted {
                isShort = true
                table.size = UInt64(piece.first) * UInt64(block) + UInt64(piece.bytes.count)
            }
            try progress.waitForTurn()
        }
        let after = FileIdentity(descriptor: file.number)
        let isSettled = after == before && !isShort
        if !isSettled { round.unsettled += 1 }
        round.sent += sent
        // So much shorter that its blocks are of another size: the next round sees what it is by then.
        guard BlockTable.blockSize(table.size) == block else { return try endFile(index, nil, found.entry) }
        try endFile(index, table, found.entry)
        let total = sent
        progress.change {
            $0.compared += size
            if total > 0 { $0.files += 1 }
            $0.present += size - min(size, total)
        }
        var seen = found
        seen.entry.size = size
        seen.entry.modified = before.modified
        seen.identity = before
        memory[path] = Memory(
            found: seen, table: table,
            isUncertain: !isSettled
                || max(before.modified, before.changed) > Int64(start) - FileScan.uncertainty)
    }

    /// Sends the blocks of a piece that differ; how many bytes.
    private func send(
        _ piece: BlockReader.Piece, of index: Int, _ size: UInt64, over known: BlockTable
    ) throws(TransferError) -> UInt64 {
        let block = BlockTable.blockSize(size)
        var sent: UInt64 = 0
        var position = 0
        func differs(_ position: Int) -> Bool {
            let number = piece.first + position
            return number >= known.hashes.count || known.hashes[number] != piece.hashes[position]
                || BlockTable.length(number, of: known.size) != BlockTable.length(number, of: size)
        }
        let zero = BlockTable.zeroHash(size)
        while position < piece.hashes.count {
            guard differs(position) else {
                position += 1
                continue
            }
            // A run of blocks of one kind.
            let isZero = piece.hashes[position] == zero
            var end = position + 1
            while end < piece.hashes.count, end - position < Self.mostBlocks, differs(end),
                (piece.hashes[end] == zero) == isZero
            {
                end += 1
            }
            var packet = PacketWriter()
            packet.integer(UInt32(index))
            packet.integer(UInt64(piece.first + position))
            packet.integer(UInt32(end - position))
            packet.integer(size)
            packet.integer(UInt8(isZero ? 1 : 0))
            for hash in piece.hashes[position..<end] { packet.hash(hash) }
            if !isZero {
                let bytes = piece.bytes[position * block..<min(end * block, piece.bytes.count)]
                packet.string(bytes)
                sent += UInt64(bytes.count)
                pace.wait(for: bytes.count, at: progress.bytesPerSecond)
                progress.change { $0.sent += UInt64(bytes.count) }
            }
            try channel.send(Frame(.blocks, packet.bytes))
            position = end
        }
        return sent
    }

    private static let mostBlocks = 64

    /// - Parameter table: what the file is now; `nil` if it is gone.
    private func endFile(_ index: Int, _ table: BlockTable?, _ entry: FileEntry) throws(TransferError) {
        var packet = PacketWriter()
        packet.integer(UInt32(index))
        packet.integer(UInt8(table == nil ? 0 : 1))
        if let table {
            packet.integer(table.size)
            packet.hash(table.root)
        }
        try channel.send(Frame(.fileEnd, packet.bytes))
    }

    /// Opened for reading without a change of its access time, where that may be asked for.
    package static func open(_ path: [UInt8]) -> FileDescriptor? {
        let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
        return (try? FileDescriptor.open(bytes: path + [0], flags | clinux_O_NOATIME))
            ?? (try? FileDescriptor.open(bytes: path + [0], flags))
    }
}

/// What the receiver needs of a file.
enum FileNeed {
    /// All of it.
    case whole
    /// What differs from the table that the sender remembers.
    case asRemembered
    /// What differs from what it has.
    case patch(BlockTable)

    init(from packet: inout PacketReader) throws(TransferError) {
        switch try packet.integer(UInt8.self) {
        case 0: self = .whole
        case 1: self = .asRemembered
        case 2:
            let size = try packet.integer(UInt64.self)
            let count = try packet.count(ofAtLeast: 16)
            guard size < 1 << 62, count == BlockTable.blocks(size) else {
                throw .malformed("hashes of a file")
            }
            var table = BlockTable(size: size, hashes: [])
            table.hashes.reserveCapacity(count)
            for _ in 0..<count { table.hashes.append(try packet.hash()) }
            self = .patch(table)
        default: throw .malformed("a need")
        }
    }

    func append(to packet: inout PacketWriter) {
        switch self {
        case .whole: packet.integer(UInt8(0))
        case .asRemembered: packet.integer(UInt8(1))
        case .patch(let table):
            packet.integer(UInt8(2))
            packet.integer(table.size)
            packet.integer(UInt32(table.hashes.count))
            for hash in table.hashes { packet.hash(hash) }
        }
    }
}

/// Holds a rate of bytes a second.
package struct Pace {
    private var free: UInt64 = 0

    package init() {}

    /// Waits until so many bytes may go; a rate of 0 is none.
    package mutating func wait(for bytes: Int, at rate: UInt64) {
        guard rate > 0 else {
            free = 0
            return
        }
        let now = Clock.monotonic()
        // What was not used is not saved up.
        free = max(free, now)
        if free > now { usleep(UInt32(min((free - now) / 1000, 5_000_000))) }
        free += UInt64(bytes) * 1_000_000_000 / rate
    }
}
