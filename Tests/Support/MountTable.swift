import Foundation

/// A line of /proc/self/mountinfo, as far as tests care.
package struct MountLine: Equatable, Sendable {
    package var root: String
    package var point: String
    package var filesystem: String

    package init(root: String, point: String, filesystem: String) {
        self.root = root
        self.point = point
        self.filesystem = filesystem
    }

    /// Filesystems whose files are the kernel's answers and nothing that could be moved to another host.
    package static let pseudo: Set<String> = [
        "proc", "sysfs", "cgroup", "cgroup2", "devpts", "tracefs", "debugfs", "securityfs", "bpf", "pstore",
        "configfs", "mqueue", "fusectl", "binfmt_misc", "efivarfs", "nsfs", "autofs",
    ]

    /// Everything that is mounted for this process.
    package static func all() throws -> [MountLine] {
        parse(try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8))
    }

    /// Reads the text of mountinfo; lines that are not understood are left out.
    package static func parse(_ text: String) -> [MountLine] {
        text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash > 5, fields.count > dash + 1 else { return nil }
            return MountLine(
                root: String(fields[3]), point: String(fields[4]), filesystem: String(fields[dash + 1]))
        }
    }

    /// The mount points of pseudo filesystems.
    package static func pseudoPoints() throws -> [String] {
        try all().filter { pseudo.contains($0.filesystem) }.map(\.point)
    }
}
