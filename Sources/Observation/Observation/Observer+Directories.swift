import Records

/// Directories that are asked for, because no event has reported them.
///
/// An answer is younger than the renames that are still to be read in the batch. A directory that one of those will
/// move gets the place that it is moved *from*: that is where it was until then.
extension Observer {
    /// So many directories are asked for one for the sake of the other, at most: no host needs more than a few.
    private static let deepest = 64

    mutating func identity(_ slice: Slice, _ batch: borrowing EventBatch) -> DirectoryTree.IdentityNumber {
        batch.withBytes(slice) { tree.number(of: $0) }
    }

    /// The directory with an identity, as of an event; `nil` if it cannot be named.
    mutating func directory(
        _ identity: Slice, _ index: Int, _ batch: borrowing EventBatch, _ depth: Int = 0
    ) -> DirectoryTree.Number? {
        guard identity.count != 0 else { return nil }
        let number = self.identity(identity, batch)
        let known = tree.directory(number)
        return known != 0 ? known : learn(number, index, batch, depth) ?? tree.trusted(number)
    }

    /// The path of a directory as of an event.
    mutating func path(
        of directory: DirectoryTree.Number, _ index: Int, _ batch: borrowing EventBatch
    ) -> DirectoryTree.Path? {
        // A circle, which only answers of different times can make, would be asked about for ever.
        for _ in 0..<Self.deepest {
            switch tree.path(
                of: directory, &ledger.texts, isAdding: !isFolding, isFolding: isFolding)
            {
            case .path(let path): return path
            case .unknown: return nil
            case .ask(let above):
                if learn(tree.identityNumber(of: above), index, batch) == nil {
                    _ = tree.trusted(tree.identityNumber(of: above))
                }
            }
        }
        return nil
    }

    /// Asks where a directory lies, and notes it with those above that were not known.
    private mutating func learn(
        _ identity: DirectoryTree.IdentityNumber, _ index: Int, _ batch: borrowing EventBatch,
        _ depth: Int = 0
    ) -> DirectoryTree.Number? {
        guard identity != 0, depth < Self.deepest,
            var answer = surroundings.directory(tree.identity(identity), isKnown: { tree.isKnown($0) })
        else { return nil }
        if answer.ancestors.isEmpty, let last = work.directoryMoves.last, last > index {
            answer.path = undoMoves(after: index, answer.path, batch)
        }
        // A path that does not begin at the root begins at the last ancestor.
        let isWhole = answer.path.first == UInt8(ascii: "/")
        let names = answer.path.split(separator: UInt8(ascii: "/"))
        guard isWhole || !names.isEmpty, names.count >= answer.ancestors.count else { return nil }

        // Upwards to one whose place is known: from there on they are placed downwards, each in the one before.
        var chain = [identity]
        var parent: DirectoryTree.Number = 0
        while parent == 0 {
            if let moved = moved(chain[chain.count - 1], index, batch, depth) {
                chain.removeLast()
                parent = moved
            } else if chain.count > answer.ancestors.count, !isWhole {
                return nil
            } else if chain.count > names.count {
                tree.placeAtRoot(chain.removeLast())
                parent = DirectoryTree.root
            } else if chain.count <= answer.ancestors.count {
                let above = answer.ancestors[chain.count - 1].withUnsafeBytes { tree.number(of: $0) }
                parent = tree.directory(above)
                if parent == 0 { chain.append(above) }
            } else {
                parent = DirectoryTree.root
                for name in names.dropLast(chain.count) {
                    parent = name.withUnsafeBytes { tree.place(in: parent, name: $0) }
                }
            }
        }
        while let identity = chain.popLast() {
            let name = names[names.count - 1 - chain.count]
            parent = name.withUnsafeBytes { tree.place(identity, in: parent, name: $0) }
        }
        return parent
    }

    /// A directory that an event still to be read moves lies, until then, where that event says that it was.
    private mutating func moved(
        _ identity: DirectoryTree.IdentityNumber, _ index: Int, _ batch: borrowing EventBatch, _ depth: Int
    ) -> DirectoryTree.Number? {
        guard !work.nextMoves.isEmpty, let next = work.nextMoves[identity]?.last, next > index,
            let parent = directory(batch.files[next].directory, index, batch, depth + 1)
        else { return nil }
        return batch.withBytes(batch.files[next].name) { tree.place(identity, in: parent, name: $0) }
    }

    /// The path that a directory had at an event, given its path now, where only paths are known, as in the
    /// recordings of earlier versions.
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
        guard
            var path = surroundings.directory(Array(batch.bytes[directory.range]), isKnown: { _ in false })?
                .path
        else { return nil }
        if path.last != UInt8(ascii: "/") { path.append(UInt8(ascii: "/")) }
        return path + batch.bytes[name.range]
    }
}
