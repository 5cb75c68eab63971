extension Ledger {
    /// Says that a file's record stands for a path below its own as well, one that is not kept by itself.
    public mutating func fold(at position: Int) {
        guard !records[position].isFolded else { return }
        records[position].isFolded = true
        folds[UInt32(position)] = Fold(paths: 1)
        markChanged(position)
    }

    /// What a folded record stands for; `nil` for one that is not.
    public func fold(of position: Int) -> Fold? {
        records[position].isFolded ? folds[UInt32(position)] ?? Fold() : nil
    }

    /// Whether there are folded records.
    @inline(__always)
    public var hasFolds: Bool { !folds.isEmpty }

    /// The folded record of a folder above a file, if its program has one.
    public func foldAbove(_ key: RecordKey) -> Int? {
        var folder = texts.parent(of: TextID(rawValue: key.object))
        while folder != .none {
            if let position = position(of: .file(key.program, path: folder)), records[position].isFolded {
                return position
            }
            folder = texts.parent(of: folder)
        }
        return nil
    }

    mutating func join(_ fold: Fold, _ position: Int) {
        records[position].isFolded = true
        let known = folds[UInt32(position)] ?? Fold()
        folds[UInt32(position)] = Fold(paths: max(known.paths, fold.paths), names: known.names + fold.names)
    }

    /// Lets the records of folders take in those of files directly below them, of one program each: first where
    /// something is folded already, then where most lie.
    ///
    /// The folder's record has then the counts of all, every letter of access, and the names of some that were written.
    /// Executed files and what is neither file nor directory stay: they say what a program is, and where it ends. So
    /// does what lies in `/`, whose record would stand for everything.
    ///
    /// - Parameters:
    ///   - wanted: as many records as shall become free, about.
    ///   - least: the smallest group that is worth it.
    /// - Returns: positions of the records that were taken in, rising: to be forgotten.
    public mutating func collapse(freeing wanted: Int, least: Int = 8) -> [Int] {
        var folders = chosenFolders(wanted, least)
        guard !folders.isEmpty else { return [] }
        // One that takes others in is not taken in itself, not this time.
        let targets = Set(folders.keys.map { RecordKey.file(Self.program($0), path: Self.folder($0)) })
        var taken: [Int] = []
        for position in records.indices {
            let record = records[position]
            guard let group = group(of: record), let folder = folders[group], !targets.contains(record.key)
            else { continue }
            folders[group] = take(position, into: folder, group)
            taken.append(position)
        }
        return taken
    }

    /// Takes a file's record into that of its folder, which is made where there is none yet; returns its position.
    private mutating func take(_ position: Int, into folder: Int?, _ group: UInt64) -> Int {
        let record = records[position]
        let target = note(
            .file(Self.program(group), path: Self.folder(group)), access: record.access, kind: .directory,
            evidence: record.evidence, time: record.first, count: record.count)
        records[target].last = max(records[target].last, record.last)
        var fold = records[target].isFolded ? folds[UInt32(target)] ?? Fold() : Fold()
        records[target].isFolded = true
        let inner = self.fold(of: position)
        fold.paths = fold.paths.addingUpToMaximum(max(inner?.paths ?? 1, 1))
        let name = texts.withName(of: TextID(rawValue: record.key.object)) { Array($0) }
        if let inner {
            for below in inner.names { fold.add(name + [UInt8(ascii: "/")] + below) }
        } else if record.access.contains(.written) {
            fold.add(name)
        }
        folds[UInt32(target)] = fold
        return target
    }

    /// The folders that take in what is below them, as `group(of:)` names them.
    private func chosenFolders(_ wanted: Int, _ least: Int) -> [UInt64: Int?] {
        var groups = records.compactMap { group(of: $0) }
        groups.sort()
        var runs: [(group: UInt64, count: Int)] = []
        var chosen: [UInt64: Int?] = [:]
        var freed = 0
        var start = 0
        while start < groups.count {
            let group = groups[start]
            var end = start
            while end < groups.count, groups[end] == group { end += 1 }
            let folder = position(of: .file(Self.program(group), path: Self.folder(group)))
            if let folder, records[folder].isFolded {
                chosen[group] = .some(folder)
                freed += end - start
            } else if end - start >= least {
                runs.append((group, end - start))
            }
            start = end
        }
        runs.sort { ($0.count, $0.group) > ($1.count, $1.group) }
        for run in runs {
            if freed >= wanted { break }
            chosen[run.group] = .some(nil)
            freed += run.count
        }
        return chosen
    }

    /// The program and folder of a record that may be taken into its folder's.
    private func group(of record: Record) -> UInt64? {
        guard record.key.relation == .file, !record.access.contains(.executed), record.kind.folds else {
            return nil
        }
        let folder = texts.parent(of: TextID(rawValue: record.key.object))
        guard folder != .none, !texts.isEmpty(folder) else { return nil }
        return UInt64(record.key.program.rawValue) << 32 | UInt64(folder.rawValue)
    }

    private static func program(_ group: UInt64) -> ProgramID { ProgramID(rawValue: UInt32(group >> 32)) }
    private static func folder(_ group: UInt64) -> TextID {
        TextID(rawValue: UInt32(truncatingIfNeeded: group))
    }
}

extension FileKind {
    /// Whether a folder's record may stand for such a file: the others are ends of something, or devices.
    public var folds: Bool { self == .regular || self == .directory }
}
