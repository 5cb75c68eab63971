import CLinux
import Control
import EventTrace
import Fanotify
import Glibc
import Observation
import ProcConnector
import Procfs
import Records
import SocketDiagnostics
import SystemCalls

extension Watcher {
    /// The dump barrier: everything that a process completed before the signal was sent is drained and
    /// interpreted; then what is still open is looked at.
    private mutating func reachBarrier() throws(SystemError) {
        try drainAll()
        scan(.open, .look)
        // The end of a connection is told from a work queue, a moment after the program's close.
        let patience = Clock.monotonic() + 200_000_000
        while observer.awaitedClosures > 0, Clock.monotonic() < patience {
            var waiting = pollfd(fd: sources.closures.number, events: Int16(POLLIN), revents: 0)
            _ = poll(&waiting, 1, 5)
            try cycle()
        }
        recorder?.add(.dump) { $0.put(Clock.wall()) }
        recorder?.flush()
    }

    /// Answers SIGUSR1. A failure is said and does not end the daemon.
    mutating func dump() throws(SystemError) {
        let time = Clock.wall()
        try reachBarrier()
        do throws(SystemError) {
            try DumpFolder(path: folder.dumps).write(
                observer.ledger, header(time), time: time, keep: configuration.dumpsKept)
        } catch {
            Message.print("the dump failed: \(error) in \(folder.dumps)")
        }
    }

    /// Answers a client.
    mutating func serve(_ number: Int32) throws(SystemError) {
        guard desk.holds(number) else { return }
        switch desk.request(from: number) {
        case .status: desk.answer(number, status: status())
        case .dump:
            let time = Clock.wall()
            try reachBarrier()
            do throws(SystemError) {
                let file = try DumpFolder(path: folder.dumps).writeNameless(observer.ledger, header(time))
                desk.answer(number, dump: file)
            } catch {
                desk.answer(number, error: "the dump failed: \(error) in \(folder.dumps)")
            }
        case nil: break
        }
    }

    /// The first line of a dump.
    func header(_ time: UInt64) -> DumpHeader {
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
        header.sources = sourceStates()
        return header
    }

    private func sourceStates() -> [DumpHeader.Source] {
        let counters = observer.counters
        let lost = lossCounts
        var mode = "fid"
        if sources.watch.descriptorCount > 0 { mode += "+descriptor" }
        return [
            .init(
                name: "fanotify", mode: mode, received: sources.decoder.fileEvents,
                lost: lost["fanotify"] ?? 0,
                counters: [
                    ("filesystems", UInt64(sources.watch.handleCount + sources.watch.descriptorCount)),
                    ("filesystems_refused", UInt64(sources.watch.unwatched.count)),
                    ("unattributed", counters.unattributedFiles),
                    ("unresolved", counters.unresolvedDirectories),
                    ("malformed", sources.decoder.malformed),
                ]),
            .init(
                name: "proc_connector", mode: sources.connector.filtering.rawValue,
                received: sources.decoder.processEvents, lost: lost["proc_connector"] ?? 0,
                counters: [
                    ("sequence_gaps", sources.decoder.sequenceGaps),
                    ("exec_notifications_lost", sources.images.lost),
                    ("unknown_executables", counters.unknownExecutables),
                    ("unknown_scripts", counters.unknownScripts),
                ]),
            .init(
                name: "sock_diag", mode: "destroy notices and dumps", received: sources.closureEvents,
                lost: lost["sock_diag"] ?? 0,
                counters: [("unattributed", counters.unattributedConnections)]),
            .init(
                name: "tracepoint", mode: sources.rings.isOn ? "ring" : "off: \(sources.rings.reason)",
                received: sources.rings.received, lost: sources.rings.lost),
        ]
    }

    private func status() -> [UInt8] {
        let header = header(Clock.wall())
        return StatusReport(
            isReady: isReady, header: header, pid: getpid(), stateFolder: folder.path,
            records: observer.ledger.records.count, programs: observer.ledger.programs.count - 1,
            paths: observer.ledger.texts.count, gaps: observer.ledger.gaps.count,
            resident: Self.residentMemory(), ledger: observer.ledger.footprint, storePath: folder.database,
            storePending: observer.ledger.dirty.count, storeWritten: storeWritten, storeError: storeError,
            degraded: degraded + sources.watch.refused
        ).json
    }

    /// Resident memory in bytes (the second number of /proc/self/statm, in pages).
    private static func residentMemory() -> UInt64 {
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
