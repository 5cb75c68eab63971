import Observation
import ProcConnector
import Procfs
import SystemCalls

/// Looks at each new image the moment its exec is told, before a short-lived process is gone.
///
/// It has a socket of its own that tells execs only, and stays in the poller's wait queue while the
/// other sources are drained on a timer: arguments and control group are told by nobody else.
struct ImageReader: ~Copyable {
    private let bell: ProcConnector
    private var buffer: [UInt8] = []
    /// Bells that were lost; the images are then looked at when their batch is worked off.
    private(set) var lost: UInt64 = 0

    init() throws(SystemError) {
        bell = try ProcConnector(.execOnly, receiveBuffer: 4 << 20)
    }

    var number: Int32 { bell.number }

    /// Reads the images of the execs that were told since.
    mutating func read(into images: inout [ImageFacts]) throws(SystemError) {
        var times: [(pid: Int32, time: UInt64)] = []
        receive: while true {
            buffer.removeAll(keepingCapacity: true)
            switch try bell.receive(appendingTo: &buffer) {
            case .nothing: break receive
            case .overrun: lost += 1
            case .datagram:
                guard case .event(let event) = try? ProcessEvent.parse(buffer.span.bytes) else { continue }
                // Of several execs of one process only the last can still be looked at.
                times.removeAll { $0.pid == event.pid }
                times.append((event.pid, event.time))
            }
        }
        for entry in times {
            guard let process = ProcessDirectory(entry.pid), let executable = process.executable() else { continue }
            let script = Interpreter.script(executable: executable, among: process)
            images.append(
                ImageFacts(
                    pid: entry.pid, time: entry.time, executable: executable, script: script,
                    workload: process.controlGroup()))
        }
    }
}
