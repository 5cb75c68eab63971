import CLinux
import Glibc
import Records
import SystemCalls

/// The first process of a cell that is a machine: it is qemu's parent, and the only one that speaks with the machine.
extension CellInit {
    /// Seconds that the machine has to end its programs and go off.
    private static let patience = 15

    static func runMachine(_ cell: Cell, _ state: Cell.State) -> Int32 {
        let machine = Machine(cell: cell)
        guard let signals = try? SignalDescriptor([SIGTERM, SIGCHLD, SIGINT, SIGUSR1, SIGUSR2, SIGHUP]) else {
            say("signalfd: \(SystemError.text(of: errno))")
            return 1
        }
        // Both ends, so that opening waits for nobody.
        let asked = open(machine.line + ".in", O_RDWR | O_CLOEXEC | O_NONBLOCK)
        let said = open(machine.line + ".out", O_RDWR | O_CLOEXEC | O_NONBLOCK)
        guard asked >= 0, said >= 0 else {
            say("\(machine.line): \(SystemError.text(of: errno))")
            return 1
        }
        var isSoftware = access("/dev/kvm", R_OK | W_OK) != 0
        var process: pid_t
        do throws(MoveError) {
            try layOwn()
            bringResolver(cell.root)
            if state.isCutOff { try Tool.need(["ip", "link", "set", "lo", "up"], seconds: 10) }
            try MachineNetwork.begin()
            process = try Launch(machine.words(state.machine, isSoftware: isSoftware)).start()
        } catch {
            say("\(error)")
            return 1
        }
        func ask(_ word: String) {
            let bytes = Array((word + "\n").utf8)
            _ = bytes.withUnsafeBytes { write(asked, $0.baseAddress, $0.count) }
        }
        var mayStart = !state.isWaiting
        var (isBooted, isStarted) = (false, false)
        var limit: UInt64?
        var heard: [UInt8] = []
        while true {
            var waiting = [
                pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
                pollfd(fd: said, events: Int16(POLLIN), revents: 0),
            ]
            _ = poll(&waiting, 2, 1000)
            while let signal = try? signals.next() {
                switch signal {
                case SIGCHLD: break
                case SIGUSR1: mayStart = true
                case SIGUSR2: if isStarted { ask("rest") }
                case SIGHUP:
                    machine.clear(.resting)
                    if isStarted { ask("resume") }
                default:
                    guard limit == nil else { break }
                    limit = Clock.monotonic() + UInt64(patience) * 1_000_000_000
                    // One that is not up has nothing that could be lost.
                    if isStarted { ask("stop") } else { kill(process, SIGKILL) }
                }
            }
            var buffer = [UInt8](repeating: 0, count: 256)
            let count = read(said, &buffer, buffer.count)
            if count > 0 { heard += buffer[..<count] }
            while let end = heard.firstIndex(of: UInt8(ascii: "\n")) {
                let word = heard[..<end].filter { $0 != UInt8(ascii: "\r") }
                heard.removeSubrange(...end)
                if word.elementsEqual("booted".utf8), !isBooted {
                    isBooted = true
                    machine.set(.booted)
                } else if word.elementsEqual("listening".utf8) {
                    machine.set(.listening)
                } else if word.elementsEqual("resting".utf8) {
                    machine.set(.resting)
                }
            }
            if heard.count > 4096 { heard = [] }
            if isBooted, mayStart, !isStarted, limit == nil {
                isStarted = true
                ask("start")
            }
            if let limit, Clock.monotonic() > limit { kill(process, SIGKILL) }
            var status: Int32 = 0
            guard waitpid(process, &status, WNOHANG) == process else { continue }
            // The device for the processor's help is sometimes there and does not work.
            if !isSoftware, !isBooted, limit == nil {
                say("the machine does not run with /dev/kvm: it runs in software")
                isSoftware = true
                do throws(MoveError) {
                    process = try Launch(machine.words(state.machine, isSoftware: true)).start()
                } catch {
                    say("\(error)")
                    return 1
                }
                continue
            }
            if status != 0, limit == nil { say("\(Machine.emulator) has ended, status \(status)") }
            return status == 0 || limit != nil ? 0 : 1
        }
    }
}
