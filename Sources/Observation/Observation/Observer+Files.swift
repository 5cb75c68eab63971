import Records

extension Observer {
    /// Step 3: every event to the image, or images, that it can belong to.
    ///
    /// The kernel merges an event into an earlier like one of the same process, never into a later.
    /// So an event behind the last exec of its process belongs to the last image alone, and one before
    /// an exec belongs to the image then and, it may be, to each later one of this batch as well.
    mutating func attributeFiles(_ batch: borrowing EventBatch) {
        for index in batch.files.indices {
            let event = batch.files[index]
            let path = work.paths[index]
            guard path != .none, event.pid != ownPid else { continue }
            let position = Int(work.positions[index])
            var flags = event.flags
            if work.beyond.contains(index) { flags.insert(.beyond) }
            if flags.contains(.executed), !flags.contains(.beyond) {
                // What else was merged into the event of an exec.
                flags.remove(.opened)
                if flags.isDisjoint(with: [.closedWritable, .renamed]) { continue }
            }
            if flags.contains(.created), publishes(event, index, batch) { flags.insert(.published) }
            // A directory, or symbolic link, that was only made is no dependency yet.
            if flags.isDisjoint(with: [.opened, .closedWritable, .renamed, .published]) { continue }
            if flags.contains(.renamed), flags.contains(.directory) { continue }
            guard let process = process(event.pid) else {
                counters.unattributedFiles += 1
                continue
            }
            attribute(flags, path, position, process, batch.wall)
        }
        attributeMoved(batch)
        for (pid, chains) in work.chains {
            for chain in chains where !chain.isConfirmed { noteFailedExec(pid, chain, batch.wall) }
        }
    }

    /// An open behind the rename of a directory above is merged with a like one before it, since the kernel
    /// compares handles and names: an open that stands before such a rename is one of the new path as well.
    ///
    /// So is one that stands behind the last rename of a directory that was renamed several times: the kernel merges
    /// like renames too, and the directory that was asked for again may lie where a merged one has put it.
    private mutating func attributeMoved(_ batch: borrowing EventBatch) {
        guard let last = work.directoryMoves.last else { return }
        for index in batch.files.indices where batch.files[index].flags.contains(.opened) {
            let event = batch.files[index]
            guard work.paths[index] != .none, event.pid != ownPid else { continue }
            let position = Int(work.positions[index])
            if event.flags.contains(.executed), !work.beyond.contains(index) { continue }
            guard let path = pathNow(index, batch),
                path.text != work.paths[index] || path.isBeyond != work.beyond.contains(index),
                let process = process(event.pid)
            else { continue }
            // A process that had ended before the renaming one was made has opened nothing behind it.
            let mover = batch.files[last].pid
            if process.exit != 0, let start = processes[mover]?.start, start > process.exit { continue }
            let flags = path.isBeyond ? event.flags.union(.beyond) : event.flags
            attribute(flags, path.text, position, process, batch.wall)
        }
    }

    private mutating func attribute(
        _ flags: FileEvent.Flags, _ path: TextID, _ position: Int, _ process: Process, _ time: UInt64
    ) {
        var access: Access = []
        if flags.contains(.opened) { access.insert(.opened) }
        if !flags.isDisjoint(with: [.closedWritable, .renamed, .published]) { access.insert(.written) }
        guard let timeline = work.timelines[process.pid] else {
            if !process.hasExecuted {
                remember(path, access, process.pid, by: process.image.program)
            }
            give(path, access, flags, process, process.image, isFirst: true, time)
            return
        }
        let place = timeline.place(at: position)
        let (range, isCertain) = (place.range, place.isCertain)
        if !isCertain { counters.ambiguousFiles += 1 }
        func image(_ number: Int) -> Image {
            var image = timeline.spans[number].image
            if !isCertain { image.isCertain = false }
            return image
        }
        // It may be a later image that closes what this one opened.
        if range.count > 1 {
            remember(
                path, access, process.pid, by: image(range.lowerBound).program,
                for: image(range.lowerBound + 1).program)
        }
        for number in range {
            // A program that executes itself again: the event is one all the same.
            if number > range.lowerBound, image(number).program == image(number - 1).program { continue }
            give(path, access, flags, process, image(number), isFirst: number == range.lowerBound, time)
        }
        // A process whose exec is still to be interpreted has a chain behind all that is of a former life.
        if !place.others.isEmpty, held.contains(where: { $0.pid == process.pid && $0.kind == .exec }) {
            return
        }
        for number in place.others { give(path, access, flags, process, image(number), isFirst: true, time) }
    }

    /// Notes a name that waited for the next event of its process.
    mutating func publish(_ name: HeldNames.Name) {
        if let process = processes[name.pid], !process.hasExecuted, process.image == name.image {
            remember(name.path, .written, name.pid, by: name.image.program)
        }
        guard name.image.program != .unknown else {
            counters.unattributedFiles += 1
            return
        }
        noteFile(
            name.image.program, name.path, .written, name.isBeyond ? [.created, .beyond] : .created,
            name.image.evidence, name.time, count: 0)
    }

    /// - Parameter isFirst: false for an image that the event only may belong to: a close without an
    ///   open then makes no record of its own.
    private mutating func give(
        _ path: TextID, _ access: Access, _ flags: FileEvent.Flags, _ process: Process, _ image: Image,
        isFirst: Bool, _ time: UInt64
    ) {
        let program = image.program
        guard program != .unknown else {
            counters.unattributedFiles += 1
            return
        }
        if flags.contains(.opened) {
            noteFile(program, path, access, flags, image.evidence, time)
            return
        }
        let isKnown = ledger.position(of: kept(.file(program, path: path))) != nil
        if !isFirst, !isKnown { return }
        noteFile(program, path, access, flags, image.evidence, time, count: 0)
        if flags.contains(.closedWritable), !isKnown || process.gap.contains(where: { $0.path == path }) {
            creditOpener(path, process, image, time)
        }
    }

    /// The closer of a writable file has inherited its descriptor: the nearest ancestor that opened the
    /// file held it writable too.
    ///
    /// What was opened between fork and exec has two openers, the program before and the program behind.
    /// The closer may be a third one (`nohup cat >out` in a shell), or a child of it.
    private mutating func creditOpener(
        _ path: TextID, _ process: Process, _ image: Image, _ time: UInt64
    ) {
        var line = lineages.origin(of: image.lineage)
        while line != .none, !credit(lineages.program(of: line), path, time) {
            line = lineages.origin(of: line)
        }
        var holder = process
        // The parents that were made in this very batch have not handed their gaps on yet.
        for _ in 0..<Process.unsettledForkLimit {
            for open in holder.inheritedGap + holder.gap where open.path == path {
                _ = credit(open.opener, path, time)
                _ = credit(open.successor, path, time)
            }
            guard holder.forkedBy != 0, let parent = processes[holder.forkedBy] else { return }
            holder = parent
        }
    }

    /// Notes that a program held a file writable if it is known to have opened it.
    private mutating func credit(_ program: ProgramID, _ path: TextID, _ time: UInt64) -> Bool {
        let key = kept(.file(program, path: path))
        guard ledger.position(of: key) != nil else { return false }
        ledger.note(key, access: .written, evidence: .exact, time: time, count: 0)
        return true
    }

    /// Keeps an open between fork and exec for the image to come.
    private mutating func remember(
        _ path: TextID, _ access: Access, _ pid: Int32, by opener: ProgramID,
        for successor: ProgramID = .unknown
    ) {
        guard let gap = processes[pid]?.gap, gap.count < Process.gapLimit, gapEntries < Self.mostGapEntries
        else { return }
        if let found = gap.lastIndex(where: {
            $0.path == path && $0.opener == opener && $0.successor == successor
        }) {
            processes[pid]?.gap[found].access.formUnion(access)
        } else {
            processes[pid]?.gap.append(
                .init(path: path, access: access, opener: opener, successor: successor))
            gapEntries += 1
        }
    }

    /// Opens of all processes that are kept for images to come; counted down when processes are evicted.
    static let mostGapEntries = 1 << 18

    /// An exec that failed has opened its files all the same. One at the end of the batch may yet be
    /// confirmed and is left alone.
    private mutating func noteFailedExec(_ pid: Int32, _ chain: ExecChain, _ time: UInt64) {
        let length = Int(work.lengths[pid] ?? 0)
        let isLast = (chain.events?.upperBound ?? -1) + 1 >= length
        let isWaited = chain.events != nil || held.contains { $0.pid == pid && $0.kind == .exec }
        if isLast, isWaited, mayStillExecute(pid) { return }
        guard let process = process(pid) else {
            counters.unattributedFiles += UInt64(chain.seen.count)
            return
        }
        for file in chain.seen {
            attribute([.opened], file, chain.events?.lowerBound ?? 0, process, time)
        }
    }

    /// A process of this batch, asked for if it was not met before.
    mutating func process(_ pid: Int32) -> Process? {
        if let process = processes[pid], process.image.program != .unknown || process.exit != 0 {
            return process
        }
        // Not met before, or of an exec that left no trace: it may still be there to be asked.
        return adopt(pid) ? processes[pid] : processes[pid]
    }

    /// Notes a file of a program.
    mutating func noteFile(
        _ program: ProgramID, _ path: TextID, _ access: Access, _ flags: FileEvent.Flags,
        _ evidence: Evidence, _ time: UInt64, count: UInt64 = 1
    ) {
        guard isRecorded(program) else { return }
        var key = RecordKey.file(program, path: path)
        if ledger.hasFolds, !flags.contains(.executed) {
            let folded = kept(key)
            if folded != key, kind(of: path, flags).folds {
                key = folded
                if !flags.contains(.beyond) { counters.foldedFiles += 1 }
            }
        }
        guard admits(key) else { return }
        let kind = kind(of: path, flags)
        let position = ledger.note(
            key, access: access, kind: kind, evidence: evidence, time: time, count: count)
        if flags.contains(.beyond) {
            ledger.fold(at: position)
            if isFolding { counters.foldedFiles += 1 } else { counters.deepPaths += 1 }
        }
    }
}
