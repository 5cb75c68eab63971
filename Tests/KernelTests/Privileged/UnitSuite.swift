import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Under the capabilities of packaging/retinued.service, and no others.
    @Suite("unit")
    struct UnitSuite {
        /// What executes a command with the unit's bounding set and without new privileges.
        static func prefix() throws -> [String] {
            let folder = URL(fileURLWithPath: #filePath).pathComponents.prefix { $0 != "Tests" }.dropFirst()
            let unit = try String(
                contentsOfFile: "/" + folder.joined(separator: "/") + "/packaging/retinued.service",
                encoding: .utf8)
            let line = unit.split(separator: "\n").first { $0.hasPrefix("CapabilityBoundingSet=") } ?? ""
            let names = line.split(separator: "=").last?.split(separator: " ").map {
                "+" + $0.lowercased().replacingOccurrences(of: "cap_", with: "")
            }
            guard let names, names.count > 1 else { throw Failure("no CapabilityBoundingSet in the unit") }
            return ["setpriv", "--no-new-privs", "--bounding-set=-all,\(names.joined(separator: ","))"]
        }

        /// A chain of scripts, each of which executes the next: which image opened what follows from the heads of
        /// the files, which are not root's.
        @Test(.timeLimit(.minutes(2)), arguments: [0, 65534])
        func chainsOfScriptsThatAreNotRoots(owner: uid_t) throws {
            let bench = try Bench(prefix: try Self.prefix())
            let folder = try bench.files.folder("chain")
            chmod(folder, 0o777)
            chmod((bench.files.path as NSString).deletingLastPathComponent, 0o755)
            for number in 0..<12 {
                let script = "\(folder)/s\(number).sh"
                let next = number < 11 ? "exec \(folder)/s\(number + 1).sh\n" : ""
                try write("#!/bin/sh\n: > \(folder)/o\(number)\n\(next)", to: script, executable: true)
                chown(script, owner, owner)
            }
            let group = try ControlGroup()
            for _ in 0..<5 {
                try run(
                    group.command([
                        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", folder + "/s0.sh",
                    ]))
            }
            let records = try bench.daemon.dump().records(of: group.workload)
            for number in 0..<12 {
                // Opens that cannot be ordered against an exec belong to both images; each of them is a script.
                let scripts = records.files("\(folder)/o\(number)").map(\.program.script)
                #expect(scripts.contains("\(folder)/s\(number).sh"), "output \(number) of \(scripts)")
                #expect(!scripts.contains(nil), "output \(number) of \(scripts)")
            }
            try bench.daemon.stop()
        }
    }
}
