import EventTrace
import Fanotify
import Observation
import ProcConnector
import Records
import SocketDiagnostics
import SystemCalls

/// Every source of events, drained together: one call is one cycle of the ordering protocol.
struct EventSources<Kernel: KernelSources & ~Copyable, Rings: TransitionRings & ~Copyable>: ~Copyable {
    var kernel: Kernel
    private(set) var fileHealth = SourceHealth()
    private(set) var processHealth = SourceHealth()
    private(set) var socketHealth = SourceHealth()
    private var reported = BatchDecoder.Malformed()
    var rings: TracepointSource<Rings>
    let local: LocalConnects
    var decoder = BatchDecoder()
    private(set) var closureEvents: UInt64 = 0
    private(set) var noticePace = NoticePace()
    /// See `EventBatch.noticesSince`.
    private var noticesSince: UInt64 = 0
    /// The same as the last batch had it.
    private var noticesReported: UInt64 = 0
    /// The cutoff of the last drain, and whether it brought anything.
    private var lastDrain: UInt64 = 0
    private var isFlowing = false
    /// The longest time from the beginning of one drain to that of the next while events flowed, nanoseconds.
    private(set) var longestPause: UInt64 = 0

    init(
        _ kernel: consuming Kernel, _ rings: consuming TracepointSource<Rings>,
        _ local: LocalConnects = LocalConnects(off: "")
    ) {
        self.local = local
        self.kernel = kernel
        self.rings = rings
    }

    /// Takes everything that waits, in the order that the protocol needs:
    ///
    /// the time T; fanotify; the proc connector (every fork that explains an event was queued before
    /// it); sockets that have gone; changes of state of sockets (each came before the socket's end).
    ///
    /// A read that fails is a loss of that source with the error for its cause. A source that goes on failing is
    /// given up for a while and opened anew.
    mutating func drain(into batch: inout EventBatch, _ recorder: TraceRecorder?) -> Drained {
        batch.reset()
        batch.cutoff = kernel.monotonic
        batch.wall = kernel.wall
        batch.noticesSince = noticesSince
        recorder?.cycle(cutoff: batch.cutoff, wall: batch.wall)
        if noticesSince != 0 { recorder?.notices(since: noticesSince) }
        if isFlowing, batch.cutoff > lastDrain { longestPause = max(longestPause, batch.cutoff - lastDrain) }
        lastDrain = batch.cutoff
        var drained = Drained()
        drainFiles(&batch, &drained, recorder)
        drainProcesses(&batch, &drained, recorder)
        kernel.takeImages(for: batch.lifecycle, into: &batch.images)
        drainClosures(&batch, &drained, recorder)
        rings.drain(&batch, &drained, recorder)
        distrustGroups(&batch, drained)
        if !batch.moves.isEmpty { kernel.processesWereMoved() }
        if let recorder { for image in batch.images { recorder.image(image) } }
        local.drain(&batch, &drained, recorder)
        reportMalformed(&drained)
        if !drained.losses.isEmpty { drained.ended = kernel.wall }
        drained.isEmpty = batch.isEmpty && drained.losses.isEmpty
        weighNotices(batch, &drained)
        // Connections that have ended wait for nothing any more: a batch has to say so though nothing else happens.
        if noticesSince != noticesReported || batch.noticesSince != noticesReported {
            drained.isEmpty = false
        }
        noticesReported = batch.noticesSince
        isFlowing = !drained.isEmpty
        return drained
    }

    /// Where moves between control groups are not reported, or may be missing, no image is of its parent's group unless that
    /// was read.
    private func distrustGroups(_ batch: inout EventBatch, _ drained: borrowing Drained) {
        let areReported =
            rings.reportsMoves && rings.unseen.isEmpty
            && !drained.losses.contains { $0.source == SourceName.transitions }
        if areReported { return }
        for index in batch.images.indices where !batch.images[index].hasWorkload {
            batch.images[index].group = 0
        }
    }

    /// Gives the notices of TCP sockets up where they cost too much, and takes them up again. What was sent of them until
    /// then comes with the next drain, which is the first that knows of it.
    private mutating func weighNotices(_ batch: borrowing EventBatch, _ drained: inout Drained) {
        let isWhole =
            rings.isOn && rings.unseen.isEmpty && !socketHealth.isFailing
            && !drained.losses.contains { $0.source == SourceName.transitions }
        let step = noticePace.drained(
            ends: NoticePace.ends(in: batch.transitions), isIdle: drained.isEmpty, isWhole: isWhole,
            at: batch.cutoff)
        switch step {
        case .none: return
        case .pause:
            do throws(SystemError) {
                try kernel.setNotices(ofTCP: false)
                noticePace.paused(at: batch.cutoff)
                noticesSince = .max
            } catch {
                // Of two groups one may have been left.
                try? kernel.setNotices(ofTCP: true)
            }
        case .resume:
            do throws(SystemError) {
                do throws(SystemError) {
                    try kernel.setNotices(ofTCP: true)
                } catch {
                    try kernel.reopenSocketNotices()
                }
                noticesAreBack()
            } catch {
                // The next drain tries it again: the host is not idle until then.
                drained.isEmpty = false
            }
        }
    }

    private mutating func noticesAreBack() {
        noticePace.resumed()
        noticesSince = kernel.monotonic
    }

    /// What could not be understood is lost.
    private mutating func reportMalformed(_ drained: inout Drained) {
        let new = decoder.malformed
        guard new != reported else { return }
        for (source, count) in [
            (SourceName.files, new.files - reported.files),
            (SourceName.processes, new.processes - reported.processes),
            (SourceName.sockets, new.notices - reported.notices),
        ] where count > 0 {
            drained.losses.append(Loss(source: source, cause: "not understood", count: count))
        }
        reported = new
    }

    /// Reads everything that waited when the drain began.
    private mutating func drainFiles(
        _ batch: inout EventBatch, _ drained: inout Drained, _ recorder: TraceRecorder?
    ) {
        drainHandleEvents(&batch, &drained, recorder)
        drainDescriptorEvents(&batch, &drained, recorder)
        if decoder.overflows > 0 {
            // The kernel says that the queue was full, not how much it turned away.
            drained.losses.append(Loss(source: SourceName.files, cause: "queue overflow", count: nil))
            decoder.overflows = 0
        }
    }

    private mutating func drainHandleEvents(
        _ batch: inout EventBatch, _ drained: inout Drained, _ recorder: TraceRecorder?
    ) {
        guard fileHealth.mayTry(batch.cutoff) else { return }
        do throws(SystemError) {
            if fileHealth.isFailing { try kernel.reopenFileEvents() }
            var progress = QueueDrain(most: kernel.fileQueueBound)
            while progress.goesOn {
                guard let range = try kernel.readFileEvents(appendingTo: &batch.bytes) else { break }
                let taken = decode(range, &batch, recorder)
                try progress.took(taken, total: batch.bytes.count) { () throws(SystemError) in
                    try kernel.waitingFileEvents()
                }
            }
            if progress.surplus > 0,
                let range = try kernel.dropFileEvents(progress.surplus, appendingTo: &batch.bytes)
            {
                _ = decode(range, &batch, recorder)
            }
            Self.works(&fileHealth, &drained)
        } catch {
            Self.fail(&fileHealth, SourceName.files, error, batch, &drained)
        }
    }

    /// - Returns: how many events the bytes held.
    private mutating func decode(
        _ range: Range<Int>, _ batch: inout EventBatch, _ recorder: TraceRecorder?
    ) -> Int {
        recorder?.add(.fanotify, raw: batch.bytes[range])
        let before = batch.files.count
        let overflows = decoder.overflows
        decoder.addFileEvents(to: &batch, from: range.lowerBound)
        return batch.files.count - before + Int(clamping: decoder.overflows - overflows)
    }

    private mutating func drainDescriptorEvents(
        _ batch: inout EventBatch, _ drained: inout Drained, _ recorder: TraceRecorder?
    ) {
        guard let taken = kernel.takeDescriptorEvents() else { return }
        for event in taken.events {
            recorder?.add(.descriptorEvent) { payload in
                payload.put(event.mask.rawValue)
                payload.put(event.pid)
                payload.put(event.path)
            }
            decoder.addFileEvent(event.mask, pid: event.pid, path: event.path, to: &batch)
        }
        decoder.overflows += taken.overflows
        decoder.malformed.files += taken.malformed
        if taken.dropped > 0 {
            drained.losses.append(
                Loss(source: SourceName.files, cause: "events by descriptor, too many", count: taken.dropped))
        }
        for (code, count) in taken.failures {
            drained.losses.append(
                Loss(
                    source: SourceName.files, cause: "open: \(SystemError.text(of: code))", count: count))
        }
    }

    /// Reads what waited when this began: a host that forks without end is not followed for ever.
    private mutating func drainProcesses(
        _ batch: inout EventBatch, _ drained: inout Drained, _ recorder: TraceRecorder?
    ) {
        guard processHealth.mayTry(batch.cutoff) else { return }
        if processHealth.isFailing {
            do throws(SystemError) {
                try kernel.reopenProcessEvents()
            } catch {
                return Self.fail(&processHealth, SourceName.processes, error, batch, &drained)
            }
        }
        var scratch: [UInt8] = []
        let begun = kernel.monotonic
        while true {
            scratch.removeAll(keepingCapacity: true)
            do throws(SystemError) {
                switch try kernel.receiveProcessEvent(appendingTo: &scratch) {
                case .nothing: return Self.works(&processHealth, &drained)
                case .overrun:
                    drained.losses.append(
                        Loss(source: SourceName.processes, cause: "ENOBUFS", count: nil))
                case .datagram:
                    recorder?.add(.process, raw: scratch)
                    decoder.addProcessEvent(scratch.span.bytes, to: &batch)
                    if let last = batch.lifecycle.last, last.time > begun {
                        return Self.works(&processHealth, &drained)
                    }
                }
            } catch {
                return Self.fail(&processHealth, SourceName.processes, error, batch, &drained)
            }
        }
    }

    /// Notices of one drain at most: what is beyond waits for the next one, a moment later.
    private static var mostNotices: Int { 1 << 17 }

    private mutating func drainClosures(
        _ batch: inout EventBatch, _ drained: inout Drained, _ recorder: TraceRecorder?
    ) {
        guard socketHealth.mayTry(batch.cutoff) else { return }
        if socketHealth.isFailing {
            do throws(SystemError) {
                try kernel.reopenSocketNotices()
                // All of them are asked for.
                if noticePace.isPaused { noticesAreBack() }
            } catch {
                return Self.fail(&socketHealth, SourceName.sockets, error, batch, &drained)
            }
        }
        var scratch: [UInt8] = []
        var network: UInt64 = 0
        for _ in 0..<Self.mostNotices {
            scratch.removeAll(keepingCapacity: true)
            do throws(SystemError) {
                switch try kernel.receiveSocketNotice(appendingTo: &scratch, network: &network) {
                case .nothing: return Self.works(&socketHealth, &drained)
                case .overrun:
                    drained.losses.append(Loss(source: SourceName.sockets, cause: "ENOBUFS", count: nil))
                case .datagram:
                    recorder?.closure(scratch, network: network)
                    closureEvents += UInt64(
                        decoder.addClosures(scratch.span.bytes, network: network, to: &batch))
                }
            } catch {
                return Self.fail(&socketHealth, SourceName.sockets, error, batch, &drained)
            }
        }
        Self.works(&socketHealth, &drained)
    }

    private static func works(_ health: inout SourceHealth, _ drained: inout Drained) {
        if health.works() { drained.modeChanged = true }
    }

    /// What cannot be opened anew is no further loss: since it was given up its gap is open.
    private static func fail(
        _ health: inout SourceHealth, _ source: String, _ error: SystemError, _ batch: borrowing EventBatch,
        _ drained: inout Drained
    ) {
        let wasFailing = health.isFailing
        health.failed(error, at: batch.cutoff, wall: batch.wall)
        guard !wasFailing else { return }
        drained.losses.append(
            Loss(source: source, cause: SystemError.text(of: error.code), count: nil))
        if health.isFailing { drained.modeChanged = true }
    }

    /// Sources that are given up for a while.
    var failing: [(source: String, health: SourceHealth)] {
        [
            (SourceName.files, fileHealth), (SourceName.processes, processHealth),
            (SourceName.sockets, socketHealth),
        ].filter(\.1.isFailing)
    }
}
