/* From Python's arguments to a request. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "request.h"

#include <stdlib.h>

/* bytes without NUL, or NULL for None. Borrowed. */
static int as_text(PyObject *object, const char *name, const char **out)
{
    char *text = NULL;
    *out = NULL;
    if (object == Py_None)
        return 0;
    if (!PyBytes_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be bytes or None", name);
        return -1;
    }
    if (PyBytes_AsStringAndSize(object, &text, NULL))
        return -1;
    *out = text;
    return 0;
}

/* A NULL-terminated array (to be freed) of the borrowed texts of a tuple of bytes. */
static char **as_texts(PyObject *tuple, const char *name)
{
    const Py_ssize_t count = PyTuple_Check(tuple) ? PyTuple_Size(tuple) : -1;
    if (count < 0) {
        PyErr_Format(PyExc_TypeError, "%s must be a tuple of bytes", name);
        return NULL;
    }
    char **texts = calloc((size_t)count + 1, sizeof *texts);
    if (!texts) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(tuple, i), &texts[i], NULL)) {
            free(texts);
            return NULL;
        }
    }
    return texts;
}

static int as_files(struct spawn_request *q, struct request_store *store, PyObject *tuple)
{
    const Py_ssize_t count = PyTuple_Check(tuple) ? PyTuple_Size(tuple) : -1;
    if (count < 0) {
        PyErr_SetString(PyExc_TypeError, "files must be a tuple of int");
        return -1;
    }
    store->files = calloc((size_t)count + 1, sizeof *store->files);
    if (!store->files) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        const long fd = PyLong_AsLong(PyTuple_GetItem(tuple, i));
        if (fd == -1 && PyErr_Occurred())
            return -1;
        store->files[i] = (int)fd;
    }
    q->files = store->files;
    q->file_count = (size_t)count;
    return 0;
}

/* A tuple of (fd, kind). */
static int as_joins(struct spawn_request *q, struct request_store *store, PyObject *tuple)
{
    const Py_ssize_t count = PyTuple_Check(tuple) ? PyTuple_Size(tuple) : -1;
    if (count < 0 || count > SPAWN_JOINS) {
        PyErr_Format(PyExc_TypeError, "joins must be a tuple of at most %d", (int)SPAWN_JOINS);
        return -1;
    }
    store->joins = calloc((size_t)count + 1, sizeof *store->joins);
    if (!store->joins) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = PyTuple_GetItem(tuple, i);
        if (!PyTuple_Check(pair)) {
            PyErr_SetString(PyExc_TypeError, "each of joins must be (fd, kind)");
            return -1;
        }
        if (!PyArg_ParseTuple(pair, "ii", &store->joins[i].fd, &store->joins[i].kind))
            return -1;
    }
    q->joins = store->joins;
    q->join_count = (size_t)count;
    return 0;
}

/* None, or (uid, gid, groups); groups None leaves the supplementary groups alone. */
static int as_credential(struct spawn_request *q, struct request_store *store,
                         PyObject *object)
{
    PyObject *groups;
    unsigned long uid, gid;

    if (object == Py_None)
        return 0;
    if (!PyTuple_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "credential must be None or (uid, gid, groups)");
        return -1;
    }
    if (!PyArg_ParseTuple(object, "kkO", &uid, &gid, &groups))
        return -1;
    q->set_ids = 1;
    q->uid = (uid_t)uid;
    q->gid = (gid_t)gid;
    if (groups == Py_None)
        return 0;
    const Py_ssize_t count = PyTuple_Check(groups) ? PyTuple_Size(groups) : -1;
    if (count < 0) {
        PyErr_SetString(PyExc_TypeError, "groups must be None or a tuple of int");
        return -1;
    }
    store->groups = calloc((size_t)count + 1, sizeof *store->groups);
    if (!store->groups) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        const unsigned long group = PyLong_AsUnsignedLong(PyTuple_GetItem(groups, i));
        if (group == (unsigned long)-1 && PyErr_Occurred())
            return -1;
        store->groups[i] = (gid_t)group;
    }
    q->set_groups = 1;
    q->groups = store->groups;
    q->group_count = (size_t)count;
    return 0;
}

int request_fill(struct spawn_request *q, struct request_store *store, PyObject *args)
{
    PyObject *paths, *argv, *env, *cwd, *uid_map, *gid_map, *setgroups, *credential, *files;
    PyObject *joins;

    Py_INCREF(args);
    store->arguments = args;
    if (!PyArg_ParseTuple(args, "OOOOkOOOOOkppO:Spawn", &paths, &argv, &env, &cwd,
                          &q->namespaces, &uid_map, &gid_map, &setgroups, &credential, &files,
                          &q->propagation, &q->mount_proc, &q->detached, &joins))
        return -1;
    if (as_text(cwd, "cwd", &q->cwd) ||
        as_text(uid_map, "uid_map", &q->uid_map) || as_text(gid_map, "gid_map", &q->gid_map) ||
        as_text(setgroups, "setgroups", &q->setgroups))
        return -1;
    if (!(store->paths = as_texts(paths, "paths")) ||
        !(store->argv = as_texts(argv, "argv")) || !(store->envp = as_texts(env, "env")))
        return -1;
    q->paths = store->paths;
    q->argv = store->argv;
    q->envp = store->envp;
    return as_files(q, store, files) || as_credential(q, store, credential) ||
                   as_joins(q, store, joins)
               ? -1
               : 0;
}

void request_clear(struct request_store *store)
{
    free(store->paths);
    free(store->joins);
    free(store->argv);
    free(store->envp);
    free(store->files);
    free(store->groups);
    Py_XDECREF(store->arguments);
}
