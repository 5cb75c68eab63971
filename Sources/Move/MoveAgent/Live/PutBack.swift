import CLinux
import Glibc
import Procfs
import Records
import SystemCalls
import Transfer

/// What CRIU restores processes without, and what is set again behind the restore: read of the stopped processes at the source, brought
/// beside the images, set by the cell's first process. Whatever was not changed from what processes have by themselves is left out.
///
/// The programs run for the moment that it takes.
struct PutBack: Equatable {
    /// Kinds of obstacles that are none for that reason.
    static let kinds: Set<String> = ["affinity", "io-priority", "timer-slack", "tcp-option", "multicast"]
    /// Its name in the folder of images.
    static let name = "put-back.json"

    /// Of one thread, by the number that it has itself.
    struct Thread: Equatable {
        var number: Int32
        /// The mask of sched_setaffinity(2); empty where it is the first process's.
        var processors: [UInt8] = []
        /// See ioprio_set(2).
        var ioPriority: UInt16 = 0
        /// Nanoseconds; 0 for the default.
        var timerSlack: UInt64 = 0

        var isUsual: Bool { processors.isEmpty && ioPriority == 0 && timerSlack == 0 }
    }

    /// Of one socket of TCP, or of datagrams.
    struct Socket: Equatable {
        /// A process that has it, by the number that this has itself.
        var process: Int32
        var descriptor: Int32
        var options = StreamOptions()
        var memberships: [MulticastMembership] = []

        /// Its groups and their interfaces, for people.
        var words: String {
            memberships.isEmpty
                ? ""
                : " (" + memberships.map { "\($0.text) at \($0.interface)" }.joined(separator: ", ") + ")"
        }
    }

    private(set) var threads: [Thread] = []
    private(set) var sockets: [Socket] = []

    init(threads: [Thread] = [], sockets: [Socket] = []) { (self.threads, self.sockets) = (threads, sockets) }

    /// Reads it of processes.
    ///
    /// - Parameters:
    ///   - pids: of this pid namespace.
    ///   - congestion: how TCP sockets slow down unless another algorithm was set.
    ///   - lost: kinds of obstacles that a person has given up.
    init(of pids: [Int32], congestion: String, losing lost: Set<String> = []) {
        let usual = Self.processors(of: 1)
        for pid in pids {
            guard let directory = ProcessDirectory(pid) else { continue }
            for number in directory.threads() {
                var thread = Thread(number: NamespaceNumber.of(number))
                let processors = Self.processors(of: number)
                if processors != usual { thread.processors = processors }
                if let own = ProcessDirectory(number) {
                    thread.ioPriority = own.ioPriority() ?? 0
                    let slack = own.timerSlack() ?? 0
                    if slack != AttributeObstacles.timerSlack { thread.timerSlack = slack }
                }
                if !thread.isUsual { threads.append(thread) }
            }
            let number = NamespaceNumber.of(pid)
            let groups = lost.contains("multicast") ? [] : directory.multicastGroups()
            Self.eachSocket(of: pid, directory) { descriptor, copy in
                guard var options = StreamOptions(of: copy) else {
                    let joined = MulticastMembership.all(of: copy, among: groups)
                    if joined.isEmpty { return }
                    sockets.append(Socket(process: number, descriptor: descriptor, memberships: joined))
                    return
                }
                if options.congestion == congestion { options.congestion = "" }
                if options != StreamOptions() {
                    sockets.append(Socket(process: number, descriptor: descriptor, options: options))
                }
            }
        }
    }

    private static func processors(of thread: Int32) -> [UInt8] {
        var mask = [UInt8](repeating: 0, count: 1024)
        let count = clinux_get_affinity(thread, &mask, mask.count)
        // Without the processors that are none.
        let end = mask[..<max(0, Int(count))].lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0
        return Array(mask[..<end])
    }

    private static func eachSocket(
        of pid: Int32, _ directory: borrowing ProcessDirectory, _ body: (Int32, Int32) -> Void
    ) {
        let handle = Int32(truncatingIfNeeded: clinux_pidfd_open(pid))
        guard handle >= 0 else { return }
        defer { close(handle) }
        directory.descriptors { number, target in
            guard target.starts(with: "socket:".utf8) else { return }
            let copy = Int32(truncatingIfNeeded: clinux_pidfd_getfd(handle, number))
            guard copy >= 0 else { return }
            defer { close(copy) }
            body(number, copy)
        }
    }

    // MARK: At the destination

    /// Sets all of it, in the pid namespace of the processes.
    ///
    /// - Parameter procfs: where that is mounted.
    /// - Throws: what cannot be set. What has ended by itself meanwhile has nothing to be set.
    func set(in procfs: String) throws(MoveError) {
        for thread in threads {
            do throws(SystemError) { try Self.set(thread, procfs) } catch {
                guard error.code == ESRCH || error.code == ENOENT else {
                    throw MoveError("thread \(thread.number) has not what it had: \(error)")
                }
            }
        }
        for socket in sockets {
            do throws(SystemError) { try Self.set(socket) } catch {
                guard error.code == ESRCH || error.code == EBADF else {
                    throw MoveError(
                        "descriptor \(socket.descriptor) of process \(socket.process) has not what it had\(socket.words): \(error)"
                    )
                }
            }
        }
    }

    private static func set(_ thread: Thread, _ procfs: String) throws(SystemError) {
        if !thread.processors.isEmpty {
            _ = try systemCall("sched_setaffinity") {
                clinux_set_affinity(thread.number, thread.processors, thread.processors.count)
            }
        }
        if thread.ioPriority != 0 {
            _ = try systemCall("ioprio_set") {
                clinux_set_io_priority(thread.number, Int32(thread.ioPriority))
            }
        }
        if thread.timerSlack != 0 {
            try FileDescriptor.open("\(procfs)/\(thread.number)/timerslack_ns", O_WRONLY)
                .writeAll(Array("\(thread.timerSlack)".utf8))
        }
    }

    private static func set(_ socket: Socket) throws(SystemError) {
        let handle = try systemCall("pidfd_open") { clinux_pidfd_open(socket.process) }
        defer { close(handle) }
        let copy = try systemCall("pidfd_getfd") { clinux_pidfd_getfd(handle, socket.descriptor) }
        defer { close(copy) }
        if socket.options != StreamOptions() { try socket.options.set(on: copy) }
        for membership in socket.memberships { try membership.join(on: copy) }
    }

    // MARK: As a file

    var value: JSONValue {
        .object([
            .init(
                "threads",
                .array(
                    threads.map { thread in
                        .object([
                            .init("thread", .integer(Int128(thread.number))),
                            .init("processors", .array(thread.processors.map { .integer(Int128($0)) })),
                            .init("io_priority", .integer(Int128(thread.ioPriority))),
                            .init("timer_slack", .integer(Int128(thread.timerSlack))),
                        ])
                    })),
            .init(
                "sockets",
                .array(
                    sockets.map { socket in
                        .object([
                            .init("process", .integer(Int128(socket.process))),
                            .init("descriptor", .integer(Int128(socket.descriptor))),
                            .init("options", socket.options.value),
                            .init("memberships", .array(socket.memberships.map(\.value))),
                        ])
                    })),
        ])
    }

    /// Reads a tree; `nil` where it is none.
    init?(_ value: JSONValue) {
        guard let threads = value["threads"]?.array, let sockets = value["sockets"]?.array else { return nil }
        for one in threads {
            guard let number = one["thread"]?.integer.flatMap({ Int32(exactly: $0) }), number > 0,
                let mask = one["processors"]?.array, mask.count <= 1024,
                let priority = one["io_priority"]?.integer.flatMap({ UInt16(exactly: $0) }),
                let slack = one["timer_slack"]?.integer.flatMap({ UInt64(exactly: $0) })
            else { return nil }
            let bytes = mask.compactMap { $0.integer.flatMap { UInt8(exactly: $0) } }
            guard bytes.count == mask.count else { return nil }
            self.threads.append(
                Thread(number: number, processors: bytes, ioPriority: priority, timerSlack: slack))
        }
        for one in sockets {
            guard let process = one["process"]?.integer.flatMap({ Int32(exactly: $0) }), process > 0,
                let descriptor = one["descriptor"]?.integer.flatMap({ Int32(exactly: $0) }), descriptor >= 0,
                let options = one["options"].flatMap({ StreamOptions($0) }),
                let listed = one["memberships"]?.array
            else { return nil }
            let memberships = listed.compactMap { MulticastMembership($0) }
            guard memberships.count == listed.count else { return nil }
            self.sockets.append(
                Socket(
                    process: process, descriptor: descriptor, options: options, memberships: memberships))
        }
    }
}
