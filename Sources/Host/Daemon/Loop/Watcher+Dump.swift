import CLinux
import Control
import Glibc
import Observation
import Records
import RecordStore
import SystemCalls

extension Watcher where Source: ~Copyable, Wait: ~Copyable {
    /// Begins a dump for a client or, without one, into the folder of dumps. One is made at a time.
    mutating func askForDump(client: Int32?) {
        waitingDumps.append(DumpRequest(time: waiting.wall, client: client))
        beginDump()
    }

    /// Answers with what has changed. What is not much is written at once: neither a dump that is being made nor a scan is
    /// waited for, and no event is drained before its time.
    mutating func askForChanges(after number: UInt32, looks: Bool, client: Int32) {
        guard looks else {
            let current = session.observer.ledger.seal()
            var progress = DumpProgress(
                changesOf: &session.observer.ledger, after: number, header: header(waiting.wall, current),
                chunk: 1 << 16)
            guard progress.lineCount > DumpJob.slice else {
                var lines: [UInt8] = []
                _ = session.observer.ledger.advance(&progress, most: .max) { lines += $0 }
                return handlers.answer(client, changes: lines)
            }
            waitingDumps.append(
                DumpRequest(time: waiting.wall, client: client, changesAfter: number, looks: false))
            return beginDump()
        }
        waitingDumps.append(DumpRequest(time: waiting.wall, client: client, changesAfter: number))
        beginDump()
    }

    private mutating func beginDump() {
        guard job == nil, !waitingDumps.isEmpty else { return }
        serveForgets()
        let request = waitingDumps.removeFirst()
        guard request.looks else {
            job = DumpJob(request, scan: 0)
            beginWriting()
            return keepBusy()
        }
        drainAll()
        scanNumber += 1
        scan(ScanRequest(.open, .look, limit: DumpJob.scanLimit, number: scanNumber))
        job = DumpJob(request, scan: scanNumber)
        keepBusy()
    }

    /// Lets cycles follow each other until everything is done.
    mutating func keepBusy() {
        if pace.eventArrived() == .leaveWaitQueue { leaveWaitQueue() }
        waiting.arm(.tick, nanoseconds: 1)
    }

    /// Notes that a scan's findings are in the ledger.
    mutating func scanTaken(_ request: ScanRequest) {
        guard job?.stage == .scanning(number: request.number) else { return }
        job?.stage = .settling(until: waiting.monotonic + DumpJob.patience)
    }

    /// Takes the dump one step further, after a cycle that took so many nanoseconds.
    mutating func advanceDump(for took: UInt64) {
        takeOutcomes()
        switch job?.stage {
        case nil, .scanning: return
        case .settling(let until):
            guard session.observer.awaitedClosures == 0 || waiting.monotonic >= until else { return }
            describeProcesses()
        case .describing(let number, let until):
            if let outcome = describer.take().first(where: { $0.number == number }) {
                job?.described = outcome
            } else if waiting.monotonic < until {
                return
            }
            beginWriting()
        case .writing:
            // As much time as the events had: a host that is busy has its dump in twice the time and not in ten times.
            for _ in 0...took / DumpJob.sliceTime where job?.stage == .writing {
                writeSlice()
            }
        }
    }

    /// Asks what the programs of the dump run with, unless that is not wanted or a process keeps the thread waiting.
    private mutating func describeProcesses() {
        guard let job, configuration.processes, job.changesAfter == nil else { return beginWriting() }
        session.settleConnections(before: job.time)
        let programs = session.observer.livingPrograms()
        // What was asked for in vain before.
        _ = describer.take()
        self.job?.described = .init(number: 0, processes: [], missing: UInt64(programs.count))
        guard !describer.isBusy else { return beginWriting() }
        scanNumber += 1
        let until = waiting.monotonic + ProcessDescriber.patience
        describer.submit(
            .init(number: scanNumber, programs: programs, started: started, deadline: until))
        self.job?.stage = .describing(number: scanNumber, until: until + ProcessDescriber.patience / 4)
    }

    private mutating func beginWriting() {
        guard let job else { return }
        let written = waiting.wall
        session.updateBlindSpots(written)
        session.settleConnections(before: job.time)
        // A recording makes dumps again, and no changes.
        if let recorder = session.engine.recorder, job.changesAfter == nil {
            recorder.sources(
                session.engine.sources, degraded: session.engine.degraded, session.engine.blindSpots)
            recorder.dump(asked: job.time, written: written, addresses: network.addresses())
        }
        do throws(SystemError) {
            let file = try file(for: job)
            self.job?.file = file
        } catch {
            endDump(error)
            return
        }
        // What changes from now on is later than what the header says.
        var header = header(job.time, session.observer.ledger.seal())
        if let number = job.changesAfter {
            dumpProgress = DumpProgress(
                changesOf: &session.observer.ledger, after: number, header: header, chunk: 1 << 20)
        } else {
            if let described = job.described { header.noteUndescribed(described.missing) }
            session.observer.ledger.processes = job.described?.processes ?? []
            dumpProgress = DumpProgress(of: session.observer.ledger, header: header, chunk: 1 << 20)
            session.observer.ledger.processes = []
        }
        session.observer.mustKeepNumbers = true
        self.job?.stage = .writing
        writeSlice()
    }

    private func file(for job: DumpJob) throws(SystemError) -> DumpFile {
        if job.client == nil { return DumpFile(try folder.dumpFolder.begin(), isOnDisk: true) }
        if job.isInMemory {
            let file = try DumpFolder.inMemory()
            return DumpFile(file, isOnDisk: false, most: Int(clamping: configuration.memoryLimit))
        }
        return DumpFile(try folder.dumpFolder.nameless(), isOnDisk: false)
    }

    private mutating func writeSlice() {
        guard let job, let file = job.file, !job.isHandedOver, dumpWriter.outstanding < DumpJob.mostWaiting,
            var progress = dumpProgress.take()
        else { return }
        let writer = dumpWriter
        let isWhole = session.observer.ledger.advance(&progress, most: DumpJob.slice) { bytes in
            writer.submit(.bytes(file, Array(bytes)))
        }
        guard isWhole else {
            dumpProgress = consume progress
            return
        }
        self.job?.isHandedOver = true
        session.observer.mustKeepNumbers = false
        let publish = (folder.dumpFolder, job.time, configuration.dumpsKept)
        writer.submit(.end(file, publish: job.client == nil ? publish : nil))
    }

    private mutating func takeOutcomes() {
        for outcome in dumpWriter.take() {
            switch outcome {
            case .written: break
            // What was begun before is no longer of interest: a dump that found the disk full is in memory by now.
            case .ended(let file): if file === job?.file { endDump(nil) }
            case .failed(let file, let error): if file === job?.file { endDump(error) }
            }
        }
    }

    /// Answers whoever asked. A failure is reported and does not end the daemon.
    private mutating func endDump(_ failure: SystemError?) {
        guard let ended = job else { return }
        dumpProgress = nil
        session.observer.mustKeepNumbers = false
        if let failure {
            // What the thread still has of it is answered with failures that nobody waits for.
            if let file = ended.file, !ended.isHandedOver { dumpWriter.submit(.end(file, publish: nil)) }
            if ended.client != nil, !ended.isInMemory {
                // A client's dump needs no disk.
                job = DumpJob(inMemory: ended)
                return beginWriting()
            }
            job = nil
            var sentence = "the dump failed: \(failure) in \(folder.dumps)"
            if ended.isInMemory {
                sentence =
                    failure.code == EFBIG
                    ? "the disk takes no dump, and in memory it has no room within memory.limit"
                    : "the dump failed: \(failure), and the disk takes none"
            }
            if let client = ended.client {
                handlers.answer(client, error: sentence)
            } else {
                Message.print(sentence)
                folder.dumpFolder.abandon()
            }
        } else {
            job = nil
            if let client = ended.client, let file = ended.file {
                handlers.answer(client, dump: file.descriptor)
            }
        }
        beginDump()
    }

    /// Answers a client.
    mutating func serve(_ number: Int32) {
        guard handlers.holds(number) else { return }
        switch handlers.request(from: number) {
        case .status: handlers.answer(number, status: status())
        case .dump: askForDump(client: number)
        case .changes(let after, let looks): askForChanges(after: after, looks: looks, client: number)
        case .forget(let filter, let isDryRun): askToForget(filter, isDryRun: isDryRun, client: number)
        case nil: break
        }
    }

    /// The first line of a dump that has what changed up to a number; without one, up to now.
    func header(_ time: UInt64, _ current: UInt32? = nil) -> DumpHeader {
        var header = DumpHeader()
        header.time = time
        header.hostID = host.id
        header.hostName = host.name
        header.addresses = network.addresses()
        header.scope = host.scope
        header.kernel = host.kernel
        header.boot = host.boot
        header.version = retinueVersion
        header.started = started
        header.sources = session.sources
        header.changes = DumpHeader.Changes(
            current: UInt64(current ?? session.observer.ledger.change),
            tombstonesAfter: UInt64(session.observer.ledger.tombstonesAfter),
            numbering: UInt64(session.observer.ledger.numbering),
            runAfter: UInt64(session.observer.ledger.runAfter))
        return header
    }

    private func status() -> [UInt8] {
        let header = header(waiting.wall)
        let ledger = session.observer.ledger.footprint
        return StatusReport(
            isReady: isReady, header: header, pid: getpid(), stateFolder: folder.path,
            records: session.observer.ledger.records.count,
            programs: session.observer.ledger.programs.count - 1,
            paths: session.observer.ledger.texts.count, gaps: session.observer.ledger.gaps.count,
            resident: ResidentMemory.now(), ledger: ledger, storePath: folder.database,
            storePending: session.observer.ledger.dirty.count, storeWritten: store.written,
            storeError: store.error, longestPause: session.engine.longestPause,
            clients: .init(served: handlers.count, refused: handlers.refused, dropped: handlers.dropped),
            calls: session.engine.blockingCalls, degraded: troubles + session.engine.degraded,
            losses: session.lossCauses
        ).json
    }
}

extension DumpHeader {
    /// Says of how many programs that run the dump has no `process` line.
    fileprivate mutating func noteUndescribed(_ count: UInt64) {
        guard let position = sources.firstIndex(where: { $0.name == SourceName.processes }) else { return }
        sources[position].counters.append(("undescribed", count))
    }
}

/// The memory of this process.
enum ResidentMemory {
    /// Resident memory in bytes (the second number of /proc/self/statm, in pages).
    static func now() -> UInt64 {
        guard let bytes = try? FileDescriptor.open("/proc/self/statm", O_RDONLY).readAll(limit: 256) else {
            return 0
        }
        let fields = bytes.split(separator: UInt8(ascii: " "))
        guard fields.count > 1, let pages = UInt64(String(decoding: fields[1], as: UTF8.self)) else {
            return 0
        }
        return pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
    }
}
