/* System calls by which namespaces are seen that Python does not have.
 *
 * Each is the kernel's own, one to one: an OSError has its errno, ENOSYS where the kernel
 * is older than the call. libc's headers need not know them, so their numbers are here.
 */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "seeing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438 /* Linux 5.6 */
#endif
#ifndef SYS_listns
#define SYS_listns 470 /* Linux 6.19 */
#endif

/* include/uapi/linux/fcntl.h and exportfs.h, Linux 6.18 */
#define NSFS_ROOT (-10003)
#define NSFS_HANDLE 0xf1

static PyObject *fail(int error)
{
    errno = error;
    return PyErr_SetFromErrno(PyExc_OSError);
}

static PyObject *getfd(PyObject *module, PyObject *args)
{
    int pidfd, fd;
    long result;

    (void)module;
    if (!PyArg_ParseTuple(args, "ii:getfd", &pidfd, &fd))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    result = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
    Py_END_ALLOW_THREADS
    return result < 0 ? fail(errno) : PyLong_FromLong(result);
}

/* include/uapi/linux/nsfs.h: struct ns_id_req, of which this is the first version */
struct namespace_request {
    uint32_t size, spare;
    uint64_t last_id;
    uint32_t kinds, spare2;
    uint64_t owner;
};

static PyObject *listns(PyObject *module, PyObject *args)
{
    struct namespace_request request = {.size = sizeof request};
    uint64_t ids[512];
    unsigned int kinds;
    unsigned long long last_id;
    long count;

    (void)module;
    if (!PyArg_ParseTuple(args, "IK:listns", &kinds, &last_id))
        return NULL;
    request.kinds = kinds;
    request.last_id = last_id;
    Py_BEGIN_ALLOW_THREADS
    count = syscall(SYS_listns, &request, ids, sizeof ids / sizeof ids[0], 0);
    Py_END_ALLOW_THREADS
    if (count < 0)
        return fail(errno);
    PyObject *list = PyList_New(count);
    for (long i = 0; list && i < count; i++) {
        PyObject *id = PyLong_FromUnsignedLongLong(ids[i]);
        if (!id || PyList_SetItem(list, i, id))
            Py_CLEAR(list);
    }
    return list;
}

/* A namespace's file handle. From Linux 6.19 on, which is also the first to list IDs, kind and
 * inode may both be 0; 6.18 finds nothing without them. */
struct namespace_handle {
    unsigned int bytes;
    int type;
    struct {
        uint64_t id;
        uint32_t kind, inode;
    } body;
};

static PyObject *open_namespace(PyObject *module, PyObject *args)
{
    union {
        struct namespace_handle ours;
        struct file_handle libcs;
    } handle;
    unsigned long long id;
    unsigned int kind = 0, inode = 0;
    int fd;

    (void)module;
    if (!PyArg_ParseTuple(args, "K|II:open_namespace", &id, &kind, &inode))
        return NULL;
    memset(&handle, 0, sizeof handle);
    handle.ours.bytes = sizeof handle.ours.body;
    handle.ours.type = NSFS_HANDLE;
    handle.ours.body.id = id;
    handle.ours.body.kind = kind;
    handle.ours.body.inode = inode;
    Py_BEGIN_ALLOW_THREADS
    fd = open_by_handle_at(NSFS_ROOT, &handle.libcs, O_RDONLY | O_CLOEXEC);
    Py_END_ALLOW_THREADS
    return fd < 0 ? fail(errno) : PyLong_FromLong(fd);
}

/* What stat(2) says of a file's identity, without a question to whoever serves the file: FUSE or
 * NFS may never answer. An inode that only its server knows is whatever was known last. */
static PyObject *identify(PyObject *module, PyObject *args)
{
    struct statx found;
    PyObject *path;
    int folder, error;

    (void)module;
    if (!PyArg_ParseTuple(args, "O&i:identify", PyUnicode_FSConverter, &path, &folder))
        return NULL;
    const char *const name = PyBytes_AsString(path);
    Py_BEGIN_ALLOW_THREADS
    error = statx(folder, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, &found) ? errno : 0;
    Py_END_ALLOW_THREADS
    Py_DECREF(path);
    if (error)
        return fail(error);
    const unsigned long long device = makedev(found.stx_dev_major, found.stx_dev_minor);
    return Py_BuildValue("KK", device, (unsigned long long)found.stx_ino);
}

PyMethodDef seeing_methods[] = {
    {"getfd", getfd, METH_VARARGS,
     "getfd(pidfd, fd) -> int: a copy of another process's descriptor: pidfd_getfd(2)."},
    {"identify", identify, METH_VARARGS,
     "identify(path, dir_fd) -> (dev, ino): statx(2) of the target, asking no file server."},
    {"listns", listns, METH_VARARGS,
     "listns(kinds, last_id) -> list of IDs: listns(2), from behind an ID on."},
    {"open_namespace", open_namespace, METH_VARARGS,
     "open_namespace(id, kind=0, inode=0) -> int: a descriptor of the namespace with this ID."},
    {NULL, NULL, 0, NULL},
};
