import Records

extension Observer {
    /// Step 1: a path for the object of every file event, in the order of the queue.
    mutating func nameObjects(_ batch: borrowing EventBatch) {
        tree.beginBatch()
        for index in batch.files.indices
        where batch.files[index].flags.isSuperset(of: [.renamed, .directory]) {
            work.directoryMoves.append(index)
        }
        for index in work.directoryMoves.reversed() where batch.files[index].target.count != 0 {
            work.nextMoves[identity(batch.files[index].target, batch), default: []].append(index)
        }
        for index in batch.files.indices {
            let event = batch.files[index]
            let position = work.lengths[event.pid, default: 0]
            work.lengths[event.pid] = position + 1
            work.positions.append(position)
            if !work.directoryMoves.isEmpty { work.directories.append(0) }
            let path = name(event, index, batch)
            if path == nil { counters.unresolvedDirectories += 1 }
            work.paths.append(path?.text ?? .none)
            if path?.isBeyond ?? false { work.beyond.insert(index) }
            if event.flags.contains(.executed), let path, path.text != .none, !path.isBeyond,
                event.pid != ownPid
            {
                work.elements[event.pid, default: []].append(.init(path: path.text, position: Int(position)))
            }
        }
        tree.doubtRestless()
    }

    /// The path of an event's object; one of no text where nothing will ask for it, `nil` if it is not known.
    private mutating func name(
        _ event: FileEvent, _ index: Int, _ batch: borrowing EventBatch
    ) -> DirectoryTree.Path? {
        if event.path.count != 0 {
            return .init(text: intern(event.path, batch), length: 0, isBeyond: false)
        }
        let unused = DirectoryTree.Path(text: .none, length: 0, isBeyond: false)
        // What the daemon opens itself leaves no record; to ask where it lies would make it open more.
        if event.pid == ownPid, event.flags.isDisjoint(with: [.created, .renamed]) { return unused }
        if event.flags.isSuperset(of: [.renamed, .directory]), event.newDirectory.count != 0 {
            return moveDirectory(event, index, batch) ? unused : nil
        }
        let isRenamed = event.flags.contains(.renamed) && event.newDirectory.count != 0
        guard
            let directory = directory(isRenamed ? event.newDirectory : event.directory, index, batch)
        else { return nil }
        if isRenamed {
            forget(event.directory, event.name, batch)
        } else if event.flags.isSuperset(of: [.created, .directory]), event.target.count != 0 {
            let target = identity(event.target, batch)
            _ = batch.withBytes(event.name) { tree.place(target, in: directory, name: $0) }
        }
        let name = isRenamed ? event.newName : event.name
        if event.flags.isDisjoint(with: [.opened, .closedWritable, .renamed]) {
            // A directory that was only made is no dependency yet.
            if event.flags.contains(.directory) { return unused }
            forget(event.directory, event.name, batch)
        }
        if isPassing(name, batch), !event.flags.contains(.directory) {
            switch lastingName(of: event, in: directory, index, batch) {
            case .ordinary: break
            case .none: return unused
            case .path(let path): return path
            case .unknown: return nil
            }
        }
        guard let path = path(of: directory, index, batch) else { return nil }
        if !work.directoryMoves.isEmpty { work.directories[index] = directory }
        let result = compose(path, name, batch)
        if !event.flags.isDisjoint(with: [.closedWritable, .created, .renamed]) { heads[result.text] = nil }
        return result
    }

    /// The file that had a name is not there any more, or is another: what is known of its head is out of date.
    private mutating func forget(_ directory: Slice, _ name: Slice, _ batch: borrowing EventBatch) {
        let number = tree.directory(identity(directory, batch))
        guard number != 0, case .path(let path) = tree.path(of: number, &ledger.texts, isAdding: false),
            let text = batch.withBytes(name, { ledger.texts.find($0, in: path.text) })
        else { return }
        heads[text] = nil
    }

    /// Follows the rename of a directory; false if it is not known where to.
    private mutating func moveDirectory(
        _ event: FileEvent, _ index: Int, _ batch: borrowing EventBatch
    ) -> Bool {
        let target = event.target.count == 0 ? 0 : identity(event.target, batch)
        if target != 0, work.nextMoves[target]?.last == index { work.nextMoves[target]?.removeLast() }
        let new = directory(event.newDirectory, index, batch) ?? 0
        // Where it lay matters only if it was known by its path.
        let old = tree.hasNameless || target == 0 ? directory(event.directory, index, batch) ?? 0 : 0
        batch.bytes.withUnsafeBytes { bytes in
            tree.rename(
                target, from: old, UnsafeRawBufferPointer(rebasing: bytes[event.name.range]), to: new,
                UnsafeRawBufferPointer(rebasing: bytes[event.newName.range]))
        }
        heads.removeAll()
        return new != 0
    }

    /// The path that an event's object has now, all renames of the batch considered, if the event was named by its
    /// directory.
    mutating func pathNow(_ index: Int, _ batch: borrowing EventBatch) -> DirectoryTree.Path? {
        guard work.directories[index] != 0,
            let path = path(of: work.directories[index], batch.files.count, batch)
        else { return nil }
        let event = batch.files[index]
        let name = event.flags.contains(.renamed) ? event.newName : event.name
        return isPassing(name, batch) ? nil : compose(path, name, batch)
    }

    private mutating func compose(
        _ directory: DirectoryTree.Path, _ name: Slice, _ batch: borrowing EventBatch
    ) -> DirectoryTree.Path {
        let range = name.range
        if range.isEmpty || (range.count == 1 && batch.bytes[range.lowerBound] == UInt8(ascii: ".")) {
            return directory
        }
        return batch.withBytes(name) { name in
            // Where there is no room for a new path, its folder stands for it.
            directory.child(name, isFolding: true) { folder in
                isFolding
                    ? ledger.texts.find(name, in: folder) ?? .none
                    : ledger.texts.child(of: folder, name: name)
            }
        }
    }

    private mutating func intern(_ slice: Slice, _ batch: borrowing EventBatch) -> TextID {
        batch.withBytes(slice) { ledger.texts.intern($0) }
    }

    /// The kind of the file at a path; asked for once, soon after its first event.
    mutating func kind(of path: TextID, _ flags: FileEvent.Flags) -> FileKind {
        if flags.contains(.beyond) { return .directory }
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

extension EventBatch {
    /// Lends a piece of the batch's bytes.
    @inline(__always)
    borrowing func withBytes<Result>(_ slice: Slice, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[slice.range])) }
    }
}
