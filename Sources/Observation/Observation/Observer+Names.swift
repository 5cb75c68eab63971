import Records

extension Observer {
    /// Step 1: a path for the object of every file event, in the order of the queue.
    mutating func nameObjects(_ batch: borrowing EventBatch) {
        for index in batch.files.indices
        where batch.files[index].flags.isSuperset(of: [.renamed, .directory]) {
            work.directoryMoves.append(index)
        }
        for index in batch.files.indices {
            let event = batch.files[index]
            let position = work.lengths[event.pid, default: 0]
            work.lengths[event.pid] = position + 1
            work.positions.append(position)
            let path = name(event, index, batch)
            if path == nil { counters.unresolvedDirectories += 1 }
            work.paths.append(path ?? .none)
            if event.flags.contains(.executed), let path, event.pid != ownPid {
                work.elements[event.pid, default: []].append(.init(path: path, position: Int(position)))
            }
        }
    }

    private mutating func name(
        _ event: FileEvent, _ index: Int, _ batch: borrowing EventBatch
    ) -> TextID? {
        if event.path.count != 0 { return intern(event.path, batch) }
        guard let directory = path(ofDirectory: event.directory, index, batch) else { return nil }
        var path = compose(directory, event.name, batch)
        if event.flags.isSuperset(of: [.created, .directory]), event.target.count != 0 {
            batch.bytes.withUnsafeBytes { bytes in
                tree.set(path, of: UnsafeRawBufferPointer(rebasing: bytes[event.target.range]))
            }
        }
        if event.flags.contains(.renamed), event.newDirectory.count != 0 {
            guard let directory = self.path(ofDirectory: event.newDirectory, index, batch) else { return nil }
            let new = compose(directory, event.newName, batch)
            if event.flags.contains(.directory) {
                let old = ledger.texts.array(path)
                tree.move(from: old, to: ledger.texts.array(new), &ledger.texts)
                work.moves.append((index, old, ledger.texts.array(new)))
                if event.target.count != 0 {
                    batch.bytes.withUnsafeBytes { bytes in
                        tree.set(new, of: UnsafeRawBufferPointer(rebasing: bytes[event.target.range]))
                    }
                }
                heads.removeAll()
            } else {
                heads[path] = nil
                heads[new] = nil
            }
            path = new
        }
        if event.flags.contains(.closedWritable) || event.flags.contains(.created) { heads[path] = nil }
        return path
    }

    private mutating func path(
        ofDirectory identity: Slice, _ index: Int, _ batch: borrowing EventBatch
    ) -> TextID? {
        guard identity.count != 0 else { return nil }
        let later = work.directoryMoves.last.map { $0 > index } ?? false
        return batch.bytes.withUnsafeBytes { bytes in
            let identity = UnsafeRawBufferPointer(rebasing: bytes[identity.range])
            if !later { return tree.path(of: identity, &ledger.texts, surroundings.directoryPath) }
            if let known = tree.knownPath(of: identity) { return known }
            guard let now = surroundings.directoryPath(Array(identity)) else { return nil }
            let then = ledger.texts.intern(undoMoves(after: index, now, batch))
            tree.set(then, of: identity)
            return then
        }
    }

    /// The path that a directory had at an event, given its path now: the answer to a question is
    /// younger than the renames that are still to be read in this batch.
    private mutating func undoMoves(
        after index: Int, _ now: [UInt8], _ batch: borrowing EventBatch
    ) -> [UInt8] {
        var path = now
        for move in work.directoryMoves.reversed() where move > index {
            let event = batch.files[move]
            guard
                let new = pathNow(event.newDirectory, event.newName, batch),
                let old = pathNow(event.directory, event.name, batch),
                path.starts(with: new), path.count == new.count || path[new.count] == UInt8(ascii: "/")
            else { continue }
            path = old + path[new.count...]
        }
        return path
    }

    private func pathNow(_ directory: Slice, _ name: Slice, _ batch: borrowing EventBatch) -> [UInt8]? {
        guard var path = surroundings.directoryPath(Array(batch.bytes[directory.range])) else { return nil }
        if path.last != UInt8(ascii: "/") { path.append(UInt8(ascii: "/")) }
        return path + batch.bytes[name.range]
    }

    private mutating func compose(
        _ directory: TextID, _ name: Slice, _ batch: borrowing EventBatch
    ) -> TextID {
        let range = name.range
        if range.isEmpty || (range.count == 1 && batch.bytes[range.lowerBound] == UInt8(ascii: ".")) {
            return directory
        }
        scratch.removeAll(keepingCapacity: true)
        ledger.texts.withBytes(directory) { scratch.append(contentsOf: $0) }
        if scratch.last != UInt8(ascii: "/") { scratch.append(UInt8(ascii: "/")) }
        batch.bytes.withUnsafeBytes {
            scratch.append(contentsOf: UnsafeRawBufferPointer(rebasing: $0[range]))
        }
        return scratch.withUnsafeBytes { ledger.texts.intern($0) }
    }

    private mutating func intern(_ slice: Slice, _ batch: borrowing EventBatch) -> TextID {
        batch.bytes.withUnsafeBytes {
            ledger.texts.intern(UnsafeRawBufferPointer(rebasing: $0[slice.range]))
        }
    }

    /// The kind of the file at a path; asked for once, soon after its first event.
    mutating func kind(of path: TextID, _ flags: FileEvent.Flags) -> FileKind {
        let number = Int(path.rawValue)
        if kinds.count <= number {
            kinds.append(contentsOf: repeatElement(0, count: max(number + 1 - kinds.count, 256)))
        }
        if kinds[number] != 0, let kind = FileKind(rawValue: kinds[number] - 1) { return kind }
        let kind: FileKind
        if flags.contains(.directory) {
            kind = .directory
        } else if flags.isSuperset(of: [.created, .opened]) || flags.contains(.executed) {
            // What open(2) creates, and what can be executed, is a regular file.
            kind = .regular
        } else {
            kind = surroundings.kind(ofFile: ledger.texts.array(path)) ?? .regular
        }
        kinds[number] = kind.rawValue + 1
        return kind
    }

    /// How the kernel executes the file at a path; read once until the file changes.
    mutating func head(of path: TextID) -> ExecutableHead {
        if let head = heads[path] { return head }
        let head = surroundings.head(ofFile: ledger.texts.array(path))
        if head != .unknown { heads[path] = head }
        return head
    }
}
