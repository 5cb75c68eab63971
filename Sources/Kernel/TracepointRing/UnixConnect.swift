import CLinux
import SystemCalls
import Wire

/// A Unix socket that was connected, or a datagram that was sent, as the kernel reports it in the context of the process
/// that did it.
public struct UnixConnect: Equatable, Sendable {
    /// What was done.
    public enum Call: UInt8, Sendable {
        /// A stream or sequenced-packet socket was connected.
        case connect = 0
        /// A datagram socket was connected, or one that is sent a datagram.
        case datagram = 1
        /// A datagram was to be sent to a name; whether it was is not known.
        case send = 2
    }

    /// Nanoseconds on `CLOCK_MONOTONIC`.
    public let time: UInt64
    /// The process (`tgid`).
    public let process: Int32
    /// What was done.
    public let call: Call
    /// The address in the kernel of the socket at the other end: the listener's for a connect. A name for as long as that
    /// socket lives; 0 where it is not known.
    public let socket: UInt64
    /// The name that was asked for, as `UnixSocket.name` has it: a path without the NUL at its end, or an abstract name with
    /// its leading NUL; `nil` where it could not be read.
    public let name: [UInt8]?

    /// Makes one.
    public init(time: UInt64, process: Int32, call: Call, socket: UInt64 = 0, name: [UInt8]? = nil) {
        self.time = time
        self.process = process
        self.call = call
        self.socket = socket
        self.name = name
    }

    /// The name in a `sockaddr_un` from its path on.
    ///
    /// - Parameter size: bytes of the name, that is the length of the address less that of its family.
    static func name(_ path: some Collection<UInt8>, size: Int) -> [UInt8]? {
        guard size > 0, size <= path.count else { return nil }
        let name = path.prefix(size)
        return name.first == 0 ? Array(name) : Array(name.prefix { $0 != 0 })
    }
}

/// The events of `sock:sk_data_ready` (Linux 6.3) that report Unix sockets.
///
/// The tracepoint fires in the context of who connects or sends, with the socket that is to be woken: for a connect that
/// of the listener, for a message that of the receiver. Which of the two it is shows in the functions that the call went
/// through; which name was asked for, the `sockaddr_un` on the stack of the caller, if it lies there.
public struct DataReadyEvents: Sendable {
    /// Where the tracepoint's own field lies.
    private let identifier: UInt16
    private let socket: Int
    private let functions: Deferred<Functions?>

    /// Where the kernel's functions lie that connect a stream and send a datagram.
    struct Functions: Sendable {
        var connect: Range<UInt64>
        var datagram: Range<UInt64>

        init(connect: Range<UInt64>, datagram: Range<UInt64>) {
            self.connect = connect
            self.datagram = datagram
        }

        /// `nil` if this kernel has no functions of these names.
        init?() {
            let names = ["unix_stream_connect", "unix_dgram_sendmsg"]
            guard let symbols = try? KernelSymbols(names), let connect = symbols[names[0]],
                let datagram = symbols[names[1]]
            else { return nil }
            self.init(connect: connect, datagram: datagram)
        }

        func call(_ frames: [UInt64]) -> UnixConnect.Call? {
            for frame in frames {
                if connect.contains(frame) { return .connect }
                if datagram.contains(frame) { return .datagram }
            }
            return nil
        }
    }

    /// Bytes of the caller's stack that each event brings.
    static let stackSize: UInt32 = 512
    /// Frames of the kernel's stack that each event brings: the tracepoint's own are three, the system call's two or three.
    static let frames: UInt16 = 8

    /// What each event carries besides.
    static var sample: SampleShape {
        SampleShape(
            frames: frames, userRegisters: UserRegisters.mask,
            userStack: UserRegisters.mask == 0 ? 0 : stackSize)
    }

    /// The tracepoint.
    public static let tracepoint = Tracepoint(group: "sock", name: "sk_data_ready", filter: "family == 1")

    /// Reads where the tracepoint's fields lie, and has a thread look for the kernel's functions: that takes longer than all
    /// else at a start, and is of no use before the first event.
    init(
        _ format: TracepointFormat, _ functions: @escaping @Sendable () -> Functions? = { Functions() }
    ) throws(TracepointError) {
        do throws(FormatError) {
            identifier = format.identifier
            socket = Int(try format.offset(of: "skaddr", size: 8))
        } catch { throw .format(error) }
        let areShown: Bool
        do throws(SystemError) {
            areShown = try KernelSymbols.areShown()
            self.functions = try Deferred(functions)
        } catch { throw .system(error) }
        guard areShown else { throw .noSymbols }
    }

    init(identifier: UInt16, socket: Int, _ functions: Functions?) throws(SystemError) {
        self.identifier = identifier
        self.socket = socket
        self.functions = try Deferred { functions }
    }

    /// Whether the kernel has the functions by which events are distinguished. Waits until that is known.
    public var areReadable: Bool { functions.wait() != nil }

    /// What drained records hold.
    public struct Counts: Equatable, Sendable {
        /// Events, those included that are no connect and no datagram.
        public var events: UInt64 = 0
        /// Events that the kernel dropped.
        public var lost: UInt64 = 0

        /// Nothing yet.
        public init() {}
    }

    /// Calls `body` with each connect and datagram among drained records; the bytes may be hostile.
    public func parse(
        _ records: RawSpan, _ body: (UnixConnect) -> Void
    ) throws(WireError) -> Counts {
        var counts = Counts()
        var walk = PerfRecords()
        let functions = records.isEmpty ? nil : functions.wait()
        while let record = try walk.nextExtended(in: records) {
            switch record {
            case .lost(let count): counts.lost &+= count
            case .other: continue
            case .sample(let sample):
                counts.events += 1
                let event = records.extracting(sample.event)
                guard try event.integer(at: 0, as: UInt16.self) == identifier else { continue }
                guard let call = functions?.call(sample.frames) else { continue }
                body(
                    UnixConnect(
                        time: sample.time, process: sample.process, call: call,
                        socket: try event.integer(at: socket),
                        name: call == .connect ? Self.name(sample, records) : nil))
            }
        }
        return counts
    }

    /// The name in the address that connect(2) was given, if it lies on the caller's stack.
    private static func name(_ sample: PerfRecords.ExtendedSample, _ records: RawSpan) -> [UInt8]? {
        guard let registers = UserRegisters(sample.registers), registers.length > 2, registers.length <= 110,
            registers.address >= registers.stack
        else { return nil }
        let offset = registers.address - registers.stack
        guard offset < UInt64(sample.stack.count), Int(offset) + Int(registers.length) <= sample.stack.count
        else { return nil }
        let start = sample.stack.lowerBound + Int(offset)
        guard (try? records.integer(at: start, as: UInt16.self)) == UInt16(AF_UNIX),
            let path = try? records.copy(start + 2..<start + Int(registers.length))
        else { return nil }
        return UnixConnect.name(path, size: path.count)
    }
}

/// The registers of a system call that the second and third argument and the stack's end are in.
private struct UserRegisters {
    var address: UInt64
    var length: UInt64
    var stack: UInt64

    #if arch(x86_64)
        /// rdx, rsi, rsp by the numbers of `perf_regs.h`, which is the order in which they come.
        static let mask: UInt64 = 1 << 3 | 1 << 4 | 1 << 7
        init?(_ values: [UInt64]) {
            guard values.count == 3 else { return nil }
            (length, address, stack) = (values[0], values[1], values[2])
        }
    #elseif arch(arm64)
        /// x1, x2, sp.
        static let mask: UInt64 = 1 << 1 | 1 << 2 | 1 << 31
        init?(_ values: [UInt64]) {
            guard values.count == 3 else { return nil }
            (address, length, stack) = (values[0], values[1], values[2])
        }
    #else
        static let mask: UInt64 = 0
        init?(_ values: [UInt64]) { return nil }
    #endif
}
