import CLinux
import Glibc
import MovePlan
import Procfs
public import Records
import SystemCalls

/// What a program runs with, all of it: from this it is started again, here or elsewhere.
///
/// It has what a plan must not have, such as passwords in arguments: it goes from agent to agent over the protected connection,
/// and lies in files that root alone may read.
public struct ProgramRun: Equatable, Sendable {
    /// Path of the executable.
    public var executable: [UInt8]
    /// Its name first.
    public var arguments: [[UInt8]] = []
    /// `NAME=value` each.
    public var environment: [[UInt8]] = []
    /// The working directory.
    public var folder: [UInt8] = [UInt8(ascii: "/")]
    /// Numbers of the effective user and group, and of the supplementary groups.
    public var user: UInt32 = 0
    /// See `user`.
    public var group: UInt32 = 0
    /// See `user`.
    public var groups: [UInt32] = []
    /// The mask of new files (umask(2)).
    public var mask: UInt32 = 0o022
    var limits: [ProcessLimit] = []
    /// What it may do beyond its user; `nil` where that is not known.
    var capabilities: ProcessCapabilities?
    /// What asks it to end: `SIGTERM`, unless a recipe says otherwise.
    public var stopSignal: Int32 = SIGTERM

    /// A program of which the executable is known.
    public init(executable: [UInt8]) { self.executable = executable }

    /// Reads what a process runs with; `nil` where it is gone.
    init?(of pid: Int32) {
        guard let directory = ProcessDirectory(pid), let executable = directory.executable() else {
            return nil
        }
        self.init(executable: executable)
        arguments = Self.words("/proc/\(pid)/cmdline")
        environment = Self.words("/proc/\(pid)/environ")
        folder = directory.workingDirectory() ?? folder
        let lines = Self.text("/proc/\(pid)/status").split(separator: "\n")
        capabilities = ProcessCapabilities(status: lines)
        for line in lines {
            let words = line.split { $0 == ":" || $0 == "\t" || $0 == " " }
            switch words.first {
            case "Uid" where words.count > 2: user = UInt32(words[2]) ?? 0
            case "Gid" where words.count > 2: group = UInt32(words[2]) ?? 0
            case "Groups": groups = words.dropFirst().compactMap { UInt32($0) }
            case "Umask" where words.count > 1: mask = UInt32(words[1], radix: 8) ?? mask
            default: break
            }
        }
        // Of Linux's sixteen those that /proc/PID/limits has, in its order.
        for (resource, line) in zip(
            Self.resources, Self.text("/proc/\(pid)/limits").split(separator: "\n").dropFirst())
        {
            let values = line.dropFirst(26).split(separator: " ")
            guard values.count >= 2 else { continue }
            func value(_ text: Substring) -> UInt64 {
                text == "unlimited" ? UInt64.max : UInt64(text) ?? UInt64.max
            }
            limits.append(ProcessLimit(resource: resource, soft: value(values[0]), hard: value(values[1])))
        }
    }

    /// Cpu time, file size, data, stack, core, resident set, processes, open files, locked memory, address space, file locks,
    /// pending signals, msgqueue size, nice priority, realtime priority, realtime timeout.
    private static let resources: [Int32] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]

    private static func words(_ path: String) -> [[UInt8]] {
        let bytes = (try? FileDescriptor.open(path, O_RDONLY))?.bytes ?? []
        return ProcessDirectory.splitArguments(bytes)
    }

    private static func text(_ path: String) -> String {
        String(decoding: (try? FileDescriptor.open(path, O_RDONLY))?.bytes ?? [], as: UTF8.self)
    }

    /// Whether it shows a title in the place of its arguments (setproctitle(3)): what it was started with is gone then.
    var showsTitle: Bool {
        guard let first = arguments.first else { return true }
        let name = first.prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: ":") }
        return name.count < first.count && access(String(decoding: first, as: UTF8.self), F_OK) != 0
    }

    // MARK: As JSON

    /// As a tree.
    public var value: JSONValue {
        func texts(_ words: [[UInt8]]) -> JSONValue { .array(words.map { .string(PlanText.text($0)) }) }
        return .object([
            .init("executable", .string(PlanText.text(executable))), .init("arguments", texts(arguments)),
            .init("environment", texts(environment)), .init("folder", .string(PlanText.text(folder))),
            .init("user", .integer(Int128(user))), .init("group", .integer(Int128(group))),
            .init("groups", .array(groups.map { .integer(Int128($0)) })),
            .init("mask", .integer(Int128(mask))),
            .init(
                "limits",
                .array(
                    limits.map {
                        .array(
                            [$0.resource].map { .integer(Int128($0)) } + [
                                .integer(Int128($0.soft)), .integer(Int128($0.hard)),
                            ])
                    })),
            .init("capabilities", capabilities?.value ?? .null),
            .init("stop_signal", .integer(Int128(stopSignal))),
        ])
    }

    /// Reads a tree; `nil` where it is none of these.
    public init?(_ value: JSONValue) {
        func bytes(_ value: JSONValue?) -> [UInt8]? { value?.string.flatMap { PlanText.bytes($0) } }
        func number<Number: FixedWidthInteger>(_ value: JSONValue?) -> Number? {
            value?.integer.flatMap { Number(exactly: $0) }
        }
        guard let executable = bytes(value["executable"]), let folder = bytes(value["folder"]),
            let user: UInt32 = number(value["user"]), let group: UInt32 = number(value["group"]),
            let mask: UInt32 = number(value["mask"]), let signal: Int32 = number(value["stop_signal"]),
            let arguments = value["arguments"]?.array, let environment = value["environment"]?.array,
            (1...64).contains(signal)
        else { return nil }
        self.executable = executable
        (self.folder, self.user, self.group, self.mask, stopSignal) = (folder, user, group, mask, signal)
        self.arguments = arguments.compactMap(bytes)
        self.environment = environment.compactMap(bytes)
        capabilities = value["capabilities"].flatMap(ProcessCapabilities.init)
        groups = value["groups"]?.array?.compactMap { number($0) } ?? []
        for limit in value["limits"]?.array ?? [] {
            guard let parts = limit.array, parts.count == 3, let resource: Int32 = number(parts[0]),
                let soft: UInt64 = number(parts[1]), let hard: UInt64 = number(parts[2]),
                (0...15).contains(resource)
            else { return nil }
            limits.append(ProcessLimit(resource: resource, soft: soft, hard: hard))
        }
        guard self.arguments.count == arguments.count, self.environment.count == environment.count else {
            return nil
        }
    }
}

extension FileDescriptor {
    /// All of a small file; `nil` where it cannot be read.
    var bytes: [UInt8]? { try? readAll(limit: 1 << 22) }
}
