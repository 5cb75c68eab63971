import Fanotify
import Foundation
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

extension KernelTests {
    /// Filesystems that a program answers for: neither can they hurt the daemon, nor does it get in their way.
    @Suite("file servers")
    struct FileServerSuite {
        private func status(_ daemon: DaemonUnderTest) throws -> String {
            try run([
                try Products.path("retinue"), "status", "--format", "json", "--socket",
                daemon.stateFolder + ".sock",
            ])
        }

        /// Neither by marking it, nor by reading its events, nor by a scan.
        @Test(.timeLimit(.minutes(2)))
        func serverIsAskedNothingOfTheDaemonsOwn() throws {
            let space = try MountNamespace()
            let server = try FileServer(space)
            let before = try server.asked()
            let daemon = try DaemonUnderTest(stateFolder: space.folder + "/state", prefix: space.prefix)
            let holder = try space.start(["sleep", "60"])
            for number in 0..<23 { try space.run(["cat", "\(server.point)/file\(number)"]) }
            _ = try daemon.dump()
            let after = try server.asked()
            #expect(after.opens - before.opens == 23, "one open each, that of cat")
            #expect(after.statistics == 0, "statfs")
            let said = try status(daemon)
            #expect(said.contains("fuse.fileserver") && said.contains(server.point), "named: \(said)")
            holder.kill()
            try daemon.stop()
        }

        /// What is held open or mapped there is found by scans, from the text of links alone.
        @Test(.timeLimit(.minutes(2)))
        func heldFilesAreFoundWithoutAsking() throws {
            let space = try MountNamespace()
            let server = try FileServer(space)
            let holder = try space.start([
                "python3", "-c",
                """
                import mmap, os, time
                file = open("\(server.point)/held", "r+b", buffering=0)
                print("held", flush=True)
                time.sleep(60)
                """,
            ])
            _ = try holder.firstLine()
            let before = try server.asked()
            server.stop()
            let daemon = try DaemonUnderTest(stateFolder: space.folder + "/state", prefix: space.prefix)
            let held = try daemon.dump().dependencies.files(server.point + "/held")
            server.goOn()
            #expect(held.map(\.access) == ["rw"])
            #expect(held.map(\.evidence) == ["snapshot"])
            #expect(held.first?.program.executable.contains("python") == true)
            // Attributes may be asked for by whoever else looks at that process's descriptors.
            let after = try server.asked()
            #expect(after.opens == before.opens && after.statistics == before.statistics)
            holder.kill()
            try daemon.stop()
        }

        /// The server dies while programs read from it, with the daemon watching by descriptor or not at all.
        @Test(.timeLimit(.minutes(2)), arguments: ["", "fanotify.descriptor = fuse.fileserver\n"])
        func serverThatDies(configuration: String) throws {
            let space = try MountNamespace()
            for _ in 0..<5 {
                let server = try FileServer(space)
                let daemon = try DaemonUnderTest(
                    stateFolder: space.folder + "/state", configuration: configuration, prefix: space.prefix)
                let reader = try space.start([
                    "bash", "-c", "i=0; while cat \(server.point)/f$((i++ % 50)) >/dev/null; do :; done",
                ])
                pause(seconds: 0.2)
                server.process.kill()
                try reader.wait()
                _ = try daemon.dump()
                try daemon.stop()
                try space.run(["umount", "--lazy", server.point])
            }
        }

        /// By descriptor, as the configuration may ask for: what cannot be opened again is one counted loss each,
        /// whatever number the server gives as its reason.
        @Test(.timeLimit(.minutes(2)))
        func failedOpensAreCounted() throws {
            let space = try MountNamespace()
            let server = try FileServer(space)
            let daemon = try DaemonUnderTest(
                stateFolder: space.folder + "/state",
                configuration: "fanotify.descriptor = fuse.fileserver\n",
                prefix: space.prefix)
            let errors = [
                EPERM, ENOENT, EIO, EBADF, EACCES, EFAULT, ENOTCONN, ECONNABORTED, ESTALE, ETXTBSY, EOVERFLOW,
            ]
            for error in errors { try space.run(["cat", "\(server.point)/e\(error)"]) }
            try space.run(["cat", "\(server.point)/good"])
            let found: Dump? = try eventually(within: 30, every: 0.2) {
                let dump = try daemon.dump()
                return dump.dependencies.files(server.point + "/good").isEmpty ? nil : dump
            }
            let dump = try #require(found, "the event behind them")
            #expect(dump.header.sources["fanotify"]?.lost == UInt64(errors.count))
            #expect(dump.dependencies.files(server.point + "/good").first?.evidence == "exact")
            #expect(dump.header.sources["fanotify"]?.mode == "fid+descriptor")
            try daemon.stop()
        }

        /// Before Linux 6.13 the read of the group fails in place of the event.
        @Test(.timeLimit(.minutes(2)), arguments: [true, false])
        func failedReadsAreOneEventEach(reportingOpenErrors: Bool) throws {
            let space = try MountNamespace()
            let server = try FileServer(space)
            let watch = try DescriptorWatch(unlimitedQueue: true, reportingOpenErrors: reportingOpenErrors)
            try watch.marker.mark(
                filesystemAt: Array("/proc/\(server.process.pid)/root\(server.point)".utf8) + [0])
            let errors = [EPERM, ENOENT, EIO, EBADF, EACCES, EFAULT, ENOTCONN, ESTALE]
            for error in errors { try space.run(["cat", "\(server.point)/e\(error)"]) }
            try space.run(["cat", "\(server.point)/good"])
            var failures: [Int32: UInt64] = [:]
            let last: Bool? = eventually {
                let taken = watch.take()
                failures.merge(taken.failures) { $0 + $1 }
                return taken.events.contains { $0.path.suffix(5).elementsEqual("/good".utf8) } ? true : nil
            }
            #expect(last == true)
            #expect(failures == Dictionary(uniqueKeysWithValues: errors.map { ($0, 1) }))
        }

        /// The server stands still when the daemon starts, when something is mounted, while a scan meets files,
        /// working folders and scripts there, and when the daemon is to end.
        @Test(.timeLimit(.minutes(2)), arguments: ["", "fanotify.descriptor = fuse.fileserver\n"])
        func serverThatStandsStill(configuration: String) throws {
            let space = try MountNamespace()
            let server = try FileServer(space)
            let holder = try space.start([
                "python3", "-c",
                "import os, time; os.chdir('\(server.point)'); open('f'); print('held', flush=True); time.sleep(60)",
            ])
            _ = try holder.firstLine()
            server.stop()
            let clock = ContinuousClock()
            let start = clock.now
            let daemon = try DaemonUnderTest(
                stateFolder: space.folder + "/state", configuration: configuration, prefix: space.prefix)
            let ready = clock.now
            let other = try space.makeFolder("other")
            try space.run(["mount", "-t", "tmpfs", "none", other])
            try space.run(["bash", "-c", "echo x > \(other)/file"])
            // A program whose working folder cannot be looked into.
            let script = try space.start(["bash", "-c", "cd \(other); exec python3 file"])
            try script.wait()
            let waiter = try space.start(["bash", "-c", "cat \(server.point)/waits"])
            let mounted = clock.now
            let dump = try daemon.dump()
            let dumped = clock.now
            _ = try status(daemon)
            let answered = clock.now
            try daemon.stop()
            let stopped = clock.now
            #expect(
                !dump.dependencies.files(other + "/file").isEmpty, "what was mounted meanwhile is watched")
            print(
                "server stopped, '\(configuration.dropLast())': ready \(ready - start), dump \(dumped - mounted), "
                    + "status \(answered - dumped), end \(stopped - answered)")
            server.goOn()
            waiter.kill()
            holder.kill()
        }

        /// A filesystem of this machine that is mounted inside one of a server's, and one with a server's over it.
        @Test(.timeLimit(.minutes(2)))
        func localFilesystemsBeyondAServer() throws {
            let space = try MountNamespace()
            let hidden = try space.makeFolder("served")
            try space.run(["mount", "-t", "tmpfs", "none", hidden])
            let server = try FileServer(space)
            server.stop()
            let daemon = try DaemonUnderTest(stateFolder: space.folder + "/state", prefix: space.prefix)
            let dump = try daemon.dump()
            // The server's is a gap as long as it is there. Nothing is missed of what lies under it: no path leads there.
            #expect(dump.gaps.map { $0.cause.hasPrefix("not watched: ") } == [true], "\(dump.gaps)")
            let said = try status(daemon)
            #expect(!said.contains("another filesystem is mounted over it"), "\(said)")
            try daemon.stop()
            server.goOn()
        }
    }
}
