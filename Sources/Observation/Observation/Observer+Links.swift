import Records

/// Files that get a name by link(2), whatever they were called when they were written.
///
/// Maildir and git write a file under one name and link it to another; `O_TMPFILE` makes one that has no name, until
/// linkat(2) gives it one. Like a rename, that binds whoever publishes the file to the name that its readers use.
extension Observer {
    /// Whether an event makes a name for a file that was there before, or for one that is no regular file (mknod(2)): the
    /// name was made, and not by an open.
    ///
    /// A symbolic link is not distinguished from a file that is gone again, so what nobody can look at any more counts only if the
    /// batch has met it under another name. `kinds` knows no word for a symbolic link; it is left out.
    ///
    /// Where the next event of the process has to say it and is not in the batch, the name waits (`HeldNames`).
    mutating func publishes(_ event: FileEvent, _ index: Int, _ batch: borrowing EventBatch) -> Bool {
        guard event.flags.contains(.created), !event.flags.contains(.directory),
            event.flags.isDisjoint(with: [.closedWritable, .renamed]), event.target.count != 0
        else { return false }
        // The kernel merges the open of the new name by who has made it, unless a read came between them.
        if event.flags.contains(.opened) || isOpenedNext(event.pid, index, batch) {
            return hasOtherName(event, index, batch)
        }
        guard surroundings.kind(ofFile: ledger.texts.array(work.paths[index])) != nil else {
            return hasOtherName(event, index, batch)
        }
        guard isLast(event.pid, index) else { return true }
        return hasOtherName(event, index, batch) || !hold(event, index, batch)
    }

    /// Whether nothing of its process stands behind an event.
    private func isLast(_ pid: Int32, _ index: Int) -> Bool {
        work.positions[index] + 1 == work.lengths[pid, default: 0]
    }

    /// Whether the next event of the process is an open of the same name.
    private func isOpenedNext(_ pid: Int32, _ index: Int, _ batch: borrowing EventBatch) -> Bool {
        guard !isLast(pid, index) else { return false }
        let next = (index + 1..<min(index + 1 + Self.farthest, batch.files.count)).first {
            batch.files[$0].pid == pid
        }
        return next.map { opens(work.paths[index], $0, batch) } ?? false
    }

    /// Whether an event is an open of this name.
    private func opens(_ path: TextID, _ index: Int, _ batch: borrowing EventBatch) -> Bool {
        batch.files[index].flags.contains(.opened) && work.paths[index] == path
    }

    /// Keeps a name for the next batch; false if it is not known which image it is of.
    private mutating func hold(_ event: FileEvent, _ index: Int, _ batch: borrowing EventBatch) -> Bool {
        guard let process = process(event.pid) else { return false }
        var image = process.image
        if let timeline = work.timelines[event.pid] {
            let place = timeline.place(at: Int(work.positions[index]))
            guard place.range.count == 1, place.others.isEmpty, place.isCertain else { return false }
            image = timeline.spans[place.range.lowerBound].image
        }
        heldNames.append(
            .init(
                pid: event.pid, path: work.paths[index], isBeyond: work.beyond.contains(index), image: image,
                time: batch.wall))
        return true
    }

    /// Notes the names of the batch before that no open has made, before anything else of this one is interpreted.
    mutating func settleNames(_ batch: borrowing EventBatch) {
        guard !heldNames.isEmpty else { return }
        let names = heldNames.take()
        var first: [Int32: Int] = [:]
        let makers = Set(names.map(\.pid))
        for index in batch.files.indices
        where work.positions[index] == 0 && makers.contains(batch.files[index].pid) {
            first[batch.files[index].pid] = index
        }
        for name in names {
            if let next = first[name.pid], opens(name.path, next, batch) { continue }
            publish(name)
        }
    }

    /// Events before one that are searched for another name of its object, since who publishes a file has written it a moment
    /// before; and behind one for the open that made it.
    private static let farthest = 512

    private func hasOtherName(_ event: FileEvent, _ index: Int, _ batch: borrowing EventBatch) -> Bool {
        batch.bytes.withUnsafeBytes { bytes in
            func isSame(_ one: Slice, _ other: Slice) -> Bool {
                one.count == other.count && bytes[one.range].elementsEqual(bytes[other.range])
            }
            for before in batch.files[max(0, index - Self.farthest)..<index].reversed()
            where isSame(before.target, event.target)
                && !before.flags.isDisjoint(with: [.opened, .closedWritable])
            {
                if !isSame(before.name, event.name) || !isSame(before.directory, event.directory) {
                    return true
                }
            }
            return false
        }
    }

    /// What stands behind a name that may be a passing one.
    enum LastingName {
        /// It is a file's name like any other.
        case ordinary
        /// The file has no name.
        case none
        /// The file has another name.
        case path(DirectoryTree.Path)
        /// The file had another name, and nobody can say which.
        case unknown
    }

    /// Whether a name may be one that the kernel makes up: `#` and digits.
    func isPassing(_ name: Slice, _ batch: borrowing EventBatch) -> Bool {
        let range = name.range
        guard range.count > 1, batch.bytes[range.lowerBound] == UInt8(ascii: "#") else { return false }
        return batch.bytes[range.dropFirst()].allSatisfy { byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
        }
    }

    /// Resolves such a name.
    ///
    /// A file of `O_TMPFILE` is called `#` and its inode's number in decimal digits, until it is closed. An overlay calls
    /// what it copies up the like, in the folder `work` of its work directory, and some kernels report every later open of
    /// the file under that name: then its handle leads to the file.
    mutating func lastingName(
        of event: FileEvent, in directory: DirectoryTree.Number, _ index: Int, _ batch: borrowing EventBatch
    ) -> LastingName {
        let isNameless = isNumbered(event, batch)
        guard let folder = path(of: directory, index, batch) else { return isNameless ? .none : .unknown }
        guard ledger.texts.array(folder.text).suffix(5).elementsEqual("/work".utf8), event.target.count != 0
        else { return isNameless ? .none : .ordinary }
        let handle = Array(batch.bytes[event.target.range])
        // An overlay also makes files there to see what the filesystem can do, and removes them at once.
        guard let answer = surroundings.directory(handle, isKnown: { _ in false }) else {
            return isNameless ? .none : .unknown
        }
        let name = answer.path.split(separator: UInt8(ascii: "/")).last ?? []
        guard answer.path.first == UInt8(ascii: "/"), name.first == UInt8(ascii: "#") else {
            return answer.path.first == UInt8(ascii: "/") && answer.path.count <= DirectoryTree.longest
                ? .path(
                    .init(text: ledger.texts.intern(answer.path), length: answer.path.count, isBeyond: false))
                : .unknown
        }
        return isNameless ? .none : .ordinary
    }

    /// Whether a name is `#` and the number of the file's own inode, which every file handle has in it: as 32 bits, or
    /// as 64, lower half first.
    private func isNumbered(_ event: FileEvent, _ batch: borrowing EventBatch) -> Bool {
        var number: UInt64 = 0
        for byte in batch.bytes[event.name.range.dropFirst()] {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return false }
            let (product, isLarge) = number.multipliedReportingOverflow(by: 10)
            guard !isLarge else { return false }
            number = product &+ UInt64(byte - UInt8(ascii: "0"))
        }
        // fsid (8), handle_bytes (4), handle_type (4), then words.
        return batch.withBytes(event.target) { target in
            for offset in stride(from: 16, through: target.count - 4, by: 4) {
                let low = target.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
                guard low == UInt32(truncatingIfNeeded: number) else { continue }
                if number >> 32 == 0 { return true }
                guard offset + 8 <= target.count else { continue }
                if target.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self) == UInt32(number >> 32) {
                    return true
                }
            }
            return false
        }
    }
}
