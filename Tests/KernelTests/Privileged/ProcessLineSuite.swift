import Foundation
import Records
import TestSupport
import Testing

extension KernelTests {
    /// What dumps say of what programs run with.
    @Suite("process lines")
    struct ProcessLineSuite {
        /// A Python program that does nothing, with all that a service may be given.
        private func start(in group: ControlGroup, folder: String, _ arguments: [String] = []) throws -> Child
        {
            try Child(
                try group.command(
                    [
                        "prlimit", "--nofile=1111:2222", "--core=0:unlimited", "unshare", "--net", "nice",
                        "-n", "3",
                        "choom", "-n", "321", "--", "setpriv", "--reuid=33", "--regid=33", "--groups=4,60001",
                        "--inh-caps=-all", "--ambient-caps=-all", "env", "-i", "--chdir=\(folder)",
                        "PATH=/usr/bin",
                        "LC_TIME=C", "API_TOKEN=hunter2", "SPECIAL=hunter2", "/usr/bin/python3", "-c",
                        "print('here', flush=True)\nimport time\ntime.sleep(1000)",
                    ] + arguments))
        }

        private func lines(_ dump: Dump, _ workload: String) throws -> [JSONValue] {
            try dump.lines.map { try JSONValue(parsing: $0) }.filter {
                $0["type"]?.string == "process" && $0["program"]?["workload"]?.string == workload
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func sayWhatAProgramRunsWith() throws {
            let group = try ControlGroup()
            let folder = try makeTemporaryFolder()
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try run(["chmod", "755", folder])
            // One that was there before; the others are younger.
            let eldest = try start(in: group, folder: folder, ["--password", "hunter2", "plain"])
            _ = try eldest.firstLine()
            let bench = try Bench()
            let others = [try start(in: group, folder: folder), try start(in: group, folder: folder)]
            for other in others { _ = try other.firstLine() }
            let dump = try bench.daemon.dump()
            let mode = try run(["stat", "-L", "-c", "%a", bench.daemon.latest])
            #expect(mode == "600\n")
            let found = try lines(dump, group.workload)
            #expect(found.count == 1)
            var line = try #require(found.first)
            guard case .object(var members) = line else { throw Failure("no object") }
            let (start, observed) = (
                try #require(line["start"]?.string), try #require(line["observed"]?.string)
            )
            #expect(start < observed && observed < dump.header.time)
            let limits = line["limits"]?.array ?? []
            #expect(
                limits.contains(try JSONValue(parsing: #"{"resource":"nofile","soft":1111,"hard":2222}"#)))
            #expect(limits.contains(try JSONValue(parsing: #"{"resource":"core","soft":0}"#)))
            #expect(!limits.contains { $0["resource"]?.string == "cpu" })
            // Of bytes that it had written, how many there are is the host's.
            #expect(members.contains { $0.key == "written" })
            members.removeAll { ["start", "observed", "limits", "written"].contains($0.key) }
            line = .object(members)
            let network = try run(["stat", "-L", "-c", "%i", "/proc/\(eldest.pid)/ns/net"]).prefix {
                $0 != "\n"
            }
            let python = try run(["realpath", "/usr/bin/python3"]).prefix { $0 != "\n" }
            #expect(
                line
                    == (try JSONValue(
                        parsing: """
                            {"type":"process","host":"\(dump.header.host)","program":{"executable":"\(python)",\
                            "workload":"\(group.workload)"},"pid":\(eldest.pid),"start_observed":false,\
                            "processes":3,"user_id":33,"user_name":"www-data","group_id":33,"group_name":"www-data",\
                            "groups":[{"group_id":4,"group_name":"adm"},{"group_id":60001}],\
                            "capabilities":"0000000000000000","folder":"\(folder)",\
                            "arguments":["/usr/bin/python3","-c","[redacted]","--password","[redacted]","plain"],\
                            "environment":["PATH=/usr/bin","LC_TIME=C","API_TOKEN","SPECIAL"],\
                            "nice":"3","oom_score_adj":"321","namespace":{"net":\(network)}}
                            """)))
            #expect(!dump.lines.contains { $0.contains("hunter2") })

            // When the eldest has gone, the next stands for the program.
            eldest.kill()
            let next = try #require(try lines(try bench.daemon.dump(), group.workload).first)
            #expect(next["pid"]?.integer == Int128(others[0].pid))
            #expect(next["processes"]?.integer == 2)
            #expect(next["start_observed"] == .boolean(true))
            #expect(next["start"] == next["observed"])
            // And when all have, there is none; nor is anything missing.
            for other in others { other.kill() }
            let last = try bench.daemon.dump()
            #expect(try lines(last, group.workload).isEmpty)
            #expect(!last.records(of: group.workload).isEmpty)
            group.remove()
            try bench.daemon.stop()
        }

        /// Bytes that are no text, and more of them than are kept.
        @Test(.timeLimit(.minutes(2)))
        func hostileArguments() throws {
            let bench = try Bench()
            let group = try ControlGroup()
            let script = """
                import os
                names = [b'sleep', b'1000', b'\\xff\\x0a"']
                os.execve('/bin/sleep', names[:2] + [b'0'] * 40000, {b'A\\xff': b'1', b'TZ': b'\\xfe'})
                """
            let child = try Child(try group.command(["/usr/bin/python3", "-c", script]))
            let line: JSONValue? = eventually(within: 60, every: 0.5) {
                let found = try? lines(try bench.daemon.dump(), group.workload)
                return found?.first { $0["program"]?["executable"]?.string?.hasSuffix("/sleep") == true }
            }
            let contents = try #require(line)
            #expect(contents["cut"] == .boolean(true))
            // 65,536 bytes: the two first names, and two for each of the others.
            #expect(contents["arguments"]?.array?.count == 2 + (65536 - 11) / 2)
            #expect(contents["environment"]?.array?.map(\.string) == ["A\u{fffd}", "TZ=\u{fffd}"])
            #expect(contents["environment_raw"]?.array?.map(\.string) == ["Qf8=", "VFo9/g=="])
            child.kill()
            group.remove()
            try bench.daemon.stop()
        }

        /// The unit gives the daemon a UTS namespace that nobody else is in (`ProtectHostname=`): what is the host's is of no
        /// other namespace for that, and what has one of its own is.
        @Test(.timeLimit(.minutes(1)))
        func aDaemonWithAHostNameOfItsOwn() throws {
            let bench = try Bench(
                prefix: ["unshare", "--uts"] + (ShippedUnit.isAsked ? try ShippedUnit.prefix() : []))
            for words in [[], ["unshare", "--uts"]] {
                let group = try ControlGroup()
                let child = try Child(try group.command(words + ["sleep", "1000"]))
                let found: JSONValue? = eventually(within: 30, every: 0.5) {
                    let all = try? lines(try bench.daemon.dump(), group.workload)
                    return all?.first { $0["program"]?["executable"]?.string?.hasSuffix("/sleep") == true }
                }
                let line = try #require(found)
                #expect((line["namespace"]?["uts"] == nil) == words.isEmpty, "\(line)")
                child.kill()
                group.remove()
            }
            try bench.daemon.stop()
        }

        @Test(.timeLimit(.minutes(1)))
        func canBeSwitchedOff() throws {
            let bench = try Bench(configuration: "processes = no\n")
            let dump = try bench.daemon.dump()
            #expect(!dump.lines.contains { $0.hasPrefix(#"{"type":"process""#) })
            #expect(!dump.lines[0].contains("undescribed"))
            // At once, when the configuration is read again.
            try write("processes = yes\n", to: bench.daemon.stateFolder + ".conf")
            bench.daemon.process.signal(SIGHUP)
            _ = eventually { bench.daemon.process.errorText.contains("reloaded") ? true : nil }
            let later = try bench.daemon.dump()
            #expect(later.lines.contains { $0.hasPrefix(#"{"type":"process""#) })
            #expect(later.lines[0].contains("undescribed"))
            try bench.daemon.stop()
        }
    }
}
