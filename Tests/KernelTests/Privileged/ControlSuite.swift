import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// The control socket of a daemon that is short of something.
    @Suite("control")
    struct ControlSuite {
        private func status(_ daemon: DaemonUnderTest) throws -> (ending: Child.Ending, said: String) {
            let child = try Child(
                ShippedUnit.client + [
                    try Products.path("retinue"), "status", "--socket", daemon.stateFolder + ".sock",
                ])
            return (try child.wait(), child.errorText)
        }

        /// A connection that cannot be taken keeps the listener readable: it has to be turned away.
        @Test(.timeLimit(.minutes(2)))
        func withoutDescriptorsClientsAreTurnedAway() throws {
            let bench = try Bench()
            let pid = "\(bench.daemon.process.pid)"
            func descriptors() throws -> [Int: String] {
                let folder = "/proc/\(pid)/fd"
                let names = try FileManager.default.contentsOfDirectory(atPath: folder)
                return names.reduce(into: [:]) { found, name in
                    guard let number = Int(name) else { return }
                    found[number] = try? FileManager.default.destinationOfSymbolicLink(
                        atPath: folder + "/" + name)
                }
            }
            // The descriptor in reserve, a copy of the listener, is only of use below the limit. What is free below it
            // is taken by clients that say nothing.
            let open = try descriptors()
            let copies = open.filter { number, link in
                link.hasPrefix("socket:") && open.contains { $0.key != number && $0.value == link }
            }
            let spare = try #require(copies.keys.max(), "there is a descriptor in reserve")
            let holes = (0..<spare).filter { open[$0] == nil }.count
            let silent = try Child([
                "python3", "-c",
                """
                import socket, sys, time
                clients = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(int(sys.argv[2]))]
                for client in clients: client.connect(sys.argv[1])
                print("connected", flush=True)
                time.sleep(100)
                """, bench.daemon.stateFolder + ".sock", "\(holes + 6)",
            ])
            defer { silent.kill() }
            let filled: Bool? = try eventually(within: 5) {
                let now = try descriptors()
                return (0..<spare).allSatisfy { now[$0] != nil } ? true : nil
            }
            #expect(filled == true)
            // The thread that looks at new images opens and closes files at any time: what counts as the
            // last descriptor may change under the test, which therefore asks more than once.
            let said: String? = try eventually(within: 30) {
                let open = try descriptors()
                let free = (0...).first { open[$0] == nil } ?? 0
                guard free > spare else { return nil }
                try run(ShippedUnit.client + ["prlimit", "--pid", pid, "--nofile=\(free):"])
                let (ending, said) = try status(bench.daemon)
                return ending == .exited(0) ? nil : said
            }
            #expect(said?.contains("no file descriptor left") == true, "\(said ?? "never turned away")")
            // The daemon goes on meanwhile, and looks at a mount table that changes.
            let other = try ScratchFilesystem()
            try other.unmount()
            try run(ShippedUnit.client + ["prlimit", "--pid", pid, "--nofile=1024:"])
            #expect(try status(bench.daemon).ending == .exited(0), "it serves again")
            try bench.daemon.stop()
        }

        /// The service manager ends a daemon that gives no sign of life: clients must not put it off.
        @Test(.timeLimit(.minutes(2)))
        func clientsDoNotPutOffTheSignOfLife() throws {
            try withTemporaryFolder { folder in
                let manager = try DatagramSocket(path: folder + "/notify")
                let command = try DaemonUnderTest.command(stateFolder: folder + "/state")
                let daemon = try Child(
                    ["env", "NOTIFY_SOCKET=\(folder)/notify", "WATCHDOG_USEC=4000000"] + command)
                var signs = 0
                let enough: Bool? = try eventually(within: 30, every: 0.05) {
                    while let message = manager.receive() { signs += message == "WATCHDOG=1" ? 1 : 0 }
                    guard daemon.errorText.contains("retinued: ready\n") else { return nil }
                    let client = try Child([
                        try Products.path("retinue"), "status", "--socket", folder + "/state.sock",
                    ])
                    #expect(try client.wait() == .exited(0))
                    return signs >= 2 ? true : nil
                }
                #expect(enough == true, "\(signs) signs of life")
                daemon.signal(SIGTERM)
                try daemon.succeed(within: 60)
            }
        }
    }
}

/// A bound `AF_UNIX` datagram socket: a service manager's ear.
private final class DatagramSocket {
    private let number: Int32

    init(path: String) throws {
        number = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(number, $0, size) }
        }
        guard result == 0 else { throw Failure("bind \(path)") }
    }

    deinit { close(number) }

    /// The next message; `nil` if none waits.
    func receive() -> String? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(number, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        return count >= 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
