import Foundation
import TestSupport

@testable import MovePlan

/// The files of a small host.
final class PlanRoot {
    let path: String

    init() throws { path = try makeTemporaryFolder() }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    @discardableResult
    func file(_ name: String, _ text: String = "x") throws -> [UInt8] {
        try folder((name as NSString).deletingLastPathComponent)
        try write(text, to: path + name)
        return Array(name.utf8)
    }

    @discardableResult
    func folder(_ name: String) throws -> [UInt8] {
        try FileManager.default.createDirectory(atPath: path + name, withIntermediateDirectories: true)
        return Array(name.utf8)
    }

    func link(_ name: String, to target: String) throws {
        try folder((name as NSString).deletingLastPathComponent)
        try FileManager.default.createSymbolicLink(atPath: path + name, withDestinationPath: target)
    }

    /// What dpkg would have of one package that is installed.
    func package(
        _ name: String, _ files: [String], configuration: [String] = [], isMultiArch: Bool = false
    ) throws {
        let folder = "/var/lib/dpkg"
        try self.folder(folder + "/info")
        var status = (try? String(contentsOfFile: path + folder + "/status", encoding: .utf8)) ?? ""
        status += "Package: \(name)\nStatus: install ok installed\nVersion: 1\n"
        status += isMultiArch ? "Architecture: amd64\nMulti-Arch: same\n" : "Architecture: all\n"
        if !configuration.isEmpty {
            status +=
                "Conffiles:\n"
                + configuration.map { " \($0) \(String(repeating: "0", count: 32))\n" }.joined()
        }
        try write(status + "\n", to: path + folder + "/status")
        try write(
            (["/."] + files).joined(separator: "\n") + "\n",
            to: path + folder + "/info/\(name)\(isMultiArch ? ":amd64" : "").list")
        let digests = try files.filter { !isFolder($0) && !configuration.contains($0) }.map {
            try run(["md5sum", path + $0]).prefix(32) + "  " + $0.dropFirst() + "\n"
        }
        try write(digests.joined(), to: path + folder + "/info/\(name)\(isMultiArch ? ":amd64" : "").md5sums")
    }

    private func isFolder(_ name: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path + name, isDirectory: &isFolder)
            && isFolder.boolValue
    }

    /// The plan of one program that has used some files.
    ///
    /// - Parameters:
    ///   - process: what it runs with, if anybody knows.
    ///   - others: files that programs write which do not move.
    func plan(
        _ script: String, reads: [String] = [], writes: [String] = [], busy: [String] = [],
        process: PlannedProcess? = nil, others: [String] = []
    ) -> HostPlan {
        var plan = HostPlan(id: "host")
        var program = PlannedProgram(executable: Array("/usr/bin/python3".utf8))
        program.script = Array(script.utf8)
        program.process = process
        plan.programs = [program]
        let files = (reads + writes + busy).map { name in
            var file = ObservedHost.File(path: Array(name.utf8))
            file.isWritten = writes.contains(name) || busy.contains(name)
            file.isBusy = busy.contains(name)
            file.user = program.script
            return file
        }
        var observed = ObservedHost(plan: plan, files: files)
        observed.foldersOfOthers = Set(others.flatMap { Array($0.utf8).ancestors })
        return PlanBuilder.plan(observed, root: path)
    }
}

extension HostPlan {
    /// `path kind treatment ground` of each entry.
    var lines: [String] {
        entries.map {
            "\(PlanText.text($0.path)) \($0.kind.rawValue) \($0.treatment.rawValue) \($0.ground.rawValue)"
        }
    }

    func entry(_ path: String) -> PlannedEntry? { entries.first { $0.path == Array(path.utf8) } }
}
