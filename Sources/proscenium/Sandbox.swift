// What a process that reads foreign files gives up before it reads them.

import ArgumentParser
import CProcess
import Foundation
import Glibc

/// The bounds of a process that reads foreign files: first what it may use of the machine, then what it may ask of the
/// kernel at all.
enum ProcessBounds {
    /// How much address space such a process has.
    static let memoryBytes: UInt = 2 << 30

    /// Sets the bounds, for ever.
    ///
    /// - Parameters:
    ///   - folder: the only place for its files; nil for a process that opens none.
    ///   - seconds: after how long it is ended, and how much of a processor it may use; nil for as long as it is needed.
    ///   - memoryBytes: how much address space it may have.
    ///   - keeping: the descriptors up to this one stay open, with those by which the parent learns of the end.
    /// - Returns: false when a bound could not be set; nothing foreign may be read then.
    static func enter(folder: URL?, seconds: Int?, memoryBytes: UInt = memoryBytes, keeping: Int32 = 2) -> Bool {
        // Signals that the parent's thread held back would not end this process.
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        for number in [SIGALRM, SIGXCPU, SIGXFSZ, SIGTERM, SIGPIPE] { signal(number, SIG_DFL) }
        // Whatever the parent has open is none of this process's business.
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? [] {
            guard let descriptor = Int32(name), descriptor > keeping else { continue }
            if !isLocalSocket(descriptor), !isOfThisProcess(descriptor) { close(descriptor) }
        }
        if let seconds {
            alarm(UInt32(seconds))
            guard limit(RLIMIT_CPU, UInt(seconds)) else { return false }
        }
        guard limit(RLIMIT_AS, memoryBytes), limit(RLIMIT_NOFILE, 64), limit(RLIMIT_FSIZE, 256 << 20),
            limit(RLIMIT_CORE, 0)
        else { return false }
        var protections: UInt32 = 0
        return proscenium_confine(folder?.path, &protections) == 0
    }

    /// Whether a descriptor may be the end by which the parent's `Process` learns that this process has ended.
    ///
    /// `Process` waits on one thread for all children: when that end is closed early, the thread sits in waitpid(2) for
    /// this child, and the ends of all others are not seen until then.
    private static func isLocalSocket(_ descriptor: Int32) -> Bool {
        var domain: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX
    }

    /// Whether a descriptor is one that only a process itself makes: libdispatch has an epoll and an eventfd as soon as a thread
    /// of its starts, which may be before this, and traps when they are closed under it.
    private static func isOfThisProcess(_ descriptor: Int32) -> Bool {
        var target = [CChar](repeating: 0, count: 16)
        let length = readlink("/proc/self/fd/\(descriptor)", &target, target.count)
        return length > 11 && strncmp(target, "anon_inode:", 11) == 0
    }

    private static func limit(_ resource: __rlimit_resource, _ value: UInt) -> Bool {
        var limit = rlimit(rlim_cur: value, rlim_max: value)
        return setrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0
    }
}

extension Proscenium {
    /// Confines itself, tries what it must not do, and says in one line of JSON what came of it.
    struct Sandbox: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "sandbox",
            abstract: "Says what a process that reads foreign files can still do on this machine.")
        @Option(help: "The folder that it may write to; none by default.") var folder: String?

        struct Report: Encodable {
            var filter: Bool, files: Bool, network: Bool
            /// What was possible though it must not be.
            var possible: [String]
            var canWriteItsFolder: Bool?
        }

        func run() throws {
            var protections: UInt32 = 0
            let result = proscenium_confine(folder, &protections)
            guard result == 0 else { throw ValidationError("The filter of system calls can't be set: \(-result).") }
            var possible: [String] = []
            for (name, code) in [
                ("socket", proscenium_try_socket()), ("local socket", proscenium_try_local_socket()),
                ("process", proscenium_try_process()), ("program", proscenium_try_program()),
            ] where code == 0 { possible.append(name) }
            if folder == nil || protections & PROSCENIUM_FILES_RESTRICTED != 0 {
                if proscenium_try_writing("/tmp/proscenium-sandbox") == 0 { possible.append("writing elsewhere") }
                if proscenium_try_reading("/etc/passwd") == 0 { possible.append("reading elsewhere") }
            }
            let report = Report(
                filter: protections & PROSCENIUM_CALLS_FILTERED != 0,
                files: folder == nil || protections & PROSCENIUM_FILES_RESTRICTED != 0,
                network: protections & PROSCENIUM_OWN_NETWORK != 0, possible: possible,
                canWriteItsFolder: folder.map { proscenium_try_writing("\($0)/try") == 0 })
            print(String(decoding: try JSONEncoder().encode(report), as: UTF8.self))
        }
    }
}
